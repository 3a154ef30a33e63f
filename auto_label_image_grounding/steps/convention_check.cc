#include "auto_label_image_grounding/steps/convention_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/key_names.h"

namespace alig {
namespace {

// Fewer boxes than this prove nothing.
constexpr std::int64_t kMinBoxes = 20;
// Qwen3-VL and others go a little beyond 1000; that is rounding, not another scale.
constexpr double kSlack = 0.02;
// A share of boxes beyond the range that a model in the right convention does not reach.
constexpr double kManyBeyond = 0.05;
constexpr double kFewBeyond = 0.02;
// Expected boxes of which none is seen: chance alone would do that once in 20,000 runs.
constexpr double kEnoughExpected = 10;
// Where a candidate's range is nearly that of the image, objects in its middle never leave it.
constexpr double kTellingChance = 0.5;
constexpr double kMostAreOdd = 0.5;

struct Sides {
  double x;
  double y;
};

Sides range_of(const CoordinateConvention& convention, const ImageSize& sent) {
  if (convention.range > 0) return {convention.range, convention.range};
  return {static_cast<double>(sent.width), static_cast<double>(sent.height)};
}

// The box's numbers as x1, y1, x2, y2. Named axes have no order that could be wrong.
std::array<double, 4> xyxy(const parse::RawBox& box, AxisOrder order) {
  const auto& v = box.values;
  if (box.form == parse::BoxForm::kNamed || order == AxisOrder::kXyxy) return v;
  return {v[1], v[0], v[3], v[2]};
}

double reach_of(const std::array<double, 4>& v, const Sides& range) {
  return std::max(std::max(v[0], v[2]) / range.x, std::max(v[1], v[3]) / range.y);
}

bool is_beyond(const std::array<double, 4>& v, const Sides& range) {
  const double low = std::min(std::min(v[0], v[2]) / range.x, std::min(v[1], v[3]) / range.y);
  return low < -kSlack || reach_of(v, range) > 1 + kSlack;
}

// The chance that a box which ends anywhere in `range` ends outside of `candidate`.
double chance_beyond(const Sides& range, const Sides& candidate) {
  const auto inside = [](double side, double limit) { return std::min(1.0, limit / side); };
  const double chance = 1 - inside(range.x, candidate.x) * inside(range.y, candidate.y);
  return chance < kTellingChance ? 0 : chance;
}

double share(std::int64_t part, const ConventionEvidence& evidence) {
  return static_cast<double>(part) / static_cast<double>(evidence.boxes);
}

// Among the candidates that hold nearly all numbers the tightest: [0.1, 0.2] lies within 0-1000
// too.
std::optional<CoordinateConvention> best_fit(const ConventionEvidence& evidence,
                                             const CoordinateConvention& convention) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < evidence.fits.size(); ++i) {
    if (share(evidence.fits[i].beyond, evidence) > kFewBeyond) continue;
    if (!best || evidence.fits[i].reach > evidence.fits[*best].reach) best = i;
  }
  if (!best || ConventionEvidence::kCandidates[*best] == convention) return std::nullopt;
  return ConventionEvidence::kCandidates[*best];
}

std::string range_text(const CoordinateConvention& convention) {
  if (convention.range > 0) return fmt::format("0 to {}", convention.range);
  return convention.order == AxisOrder::kXyxy ? "pixels of the image as sent"
                                              : "pixels of the image as sent, y first";
}

// What the key can be set to; not every convention can be.
std::string setting_for(const CoordinateConvention& convention) {
  if (convention.range == 1000) {
    return fmt::format(": {}=xyxy_1000, or yxyx_1000 for a model that puts y first",
                       key::kCoordinates);
  }
  const bool settable = convention.order == AxisOrder::kXyxy && convention.range <= 1;
  return settable ? fmt::format(": {}={}", key::kCoordinates, name_of(convention)) : "";
}

// Numbers that should be there and are not: the model uses a smaller scale.
std::optional<ConventionDoubt> doubt_unused_range(const ConventionEvidence& evidence,
                                                  const CoordinateConvention& convention) {
  for (std::size_t i = 0; i < evidence.fits.size(); ++i) {
    const ConventionEvidence::Fit& fit = evidence.fits[i];
    if (fit.expected_beyond < kEnoughExpected) continue;
    if (static_cast<double>(fit.beyond) > kFewBeyond * fit.expected_beyond) continue;
    return ConventionDoubt{
        fmt::format("of {} boxes about {:.0f} should hold a number outside of {}, and {} do",
                    evidence.boxes, fit.expected_beyond,
                    range_text(ConventionEvidence::kCandidates[i]), fit.beyond),
        best_fit(evidence, convention)};
  }
  return std::nullopt;
}

}  // namespace

ConventionEvidence& ConventionEvidence::operator+=(const ConventionEvidence& other) {
  boxes += other.boxes;
  beyond_range += other.beyond_range;
  tiny += other.tiny;
  full_image += other.full_image;
  in_unit_range += other.in_unit_range;
  for (std::size_t i = 0; i < fits.size(); ++i) {
    fits[i].beyond += other.fits[i].beyond;
    fits[i].reach += other.fits[i].reach;
    fits[i].expected_beyond += other.fits[i].expected_beyond;
  }
  return *this;
}

void add_evidence(const parse::RawBox& box, const CoordinateConvention& convention,
                  const ImageSize& sent, ConventionEvidence& evidence) {
  if (box.form != parse::BoxForm::kPositional && box.form != parse::BoxForm::kNamed) return;
  ++evidence.boxes;
  const Sides range = range_of(convention, sent);
  const std::array<double, 4> v = xyxy(box, convention.order);
  evidence.beyond_range += is_beyond(v, range) ? 1 : 0;
  const double w = std::abs(v[2] - v[0]) / range.x, h = std::abs(v[3] - v[1]) / range.y;
  constexpr double kTinySide = 0.01, kFullSide = 0.95;
  evidence.tiny += w < kTinySide && h < kTinySide ? 1 : 0;
  evidence.full_image += w > kFullSide && h > kFullSide ? 1 : 0;
  evidence.in_unit_range +=
      std::all_of(v.begin(), v.end(), [](double value) { return value >= 0 && value <= 1; }) ? 1
                                                                                             : 0;
  for (std::size_t i = 0; i < evidence.fits.size(); ++i) {
    const CoordinateConvention& candidate = ConventionEvidence::kCandidates[i];
    const Sides limits = range_of(candidate, sent);
    const std::array<double, 4> u = xyxy(box, candidate.order);
    evidence.fits[i].beyond += is_beyond(u, limits) ? 1 : 0;
    evidence.fits[i].reach += std::clamp(reach_of(u, limits), 0.0, 1.0);
    if (candidate.order == convention.order || convention.range > 0) {
      evidence.fits[i].expected_beyond += chance_beyond(range, limits);
    }
  }
}

std::optional<ConventionDoubt> doubt_convention(const ConventionEvidence& evidence,
                                                const CoordinateConvention& convention) {
  if (evidence.boxes < kMinBoxes) return std::nullopt;
  const auto percent = [&](std::int64_t part) {
    return fmt::format("{:.0f} % of {} boxes", 100 * share(part, evidence), evidence.boxes);
  };
  if (share(evidence.beyond_range, evidence) > kManyBeyond) {
    return ConventionDoubt{percent(evidence.beyond_range) + " have a number beyond the range",
                           best_fit(evidence, convention)};
  }
  if (auto doubt = doubt_unused_range(evidence, convention)) return doubt;
  if (share(evidence.tiny, evidence) > kMostAreOdd) {
    return ConventionDoubt{percent(evidence.tiny) + " are tiny", std::nullopt};
  }
  if (share(evidence.full_image, evidence) > kMostAreOdd) {
    return ConventionDoubt{percent(evidence.full_image) + " cover the whole image", std::nullopt};
  }
  return std::nullopt;
}

std::string describe(const ConventionDoubt& doubt, const CoordinateConvention& convention) {
  std::string text = fmt::format("the boxes do not look like {} ({}): {}. ", name_of(convention),
                                 range_text(convention), doubt.reason);
  if (!doubt.better) return text + "Look at some results before you use them";
  text += fmt::format("Numbers of {} would fit better", range_text(*doubt.better));
  text += setting_for(*doubt.better);
  return fmt::format("{}. Look at some results; with another {} step 1 is requested again", text,
                     key::kCoordinates);
}

}  // namespace alig
