#include "auto_label_image_grounding/steps/phrase_grounding.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

constexpr double kDefaultScore = 0.9;  // as the stock pipeline
constexpr std::size_t kNobody = static_cast<std::size_t>(-1);
constexpr std::size_t kAmbiguous = static_cast<std::size_t>(-2);

std::vector<std::string> split_words(const std::string& folded) {
  std::vector<std::string> words;
  std::string word;
  for (const char32_t c : to_code_points(folded)) {
    if (is_word_code_point(c)) {
      word += to_utf8(c);
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool is_number(const std::string& word) {
  return word.find_first_not_of("0123456789") == std::string::npos;
}

bool is_article(const std::string& word) { return word == "a" || word == "an" || word == "the"; }

std::string join(const std::vector<std::string>& words, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < words.size(); ++i) out += words[i] + " ";
  return out;
}

// The ways in which a label may equal a text, from the strictest to the loosest.
std::string folded_form(std::string_view text) { return fold_for_comparison(trim(text)); }
std::string word_form(std::string_view text) {
  return join(split_words(fold_for_comparison(text)), 0);
}
std::string bare_form(std::string_view text) {
  const std::vector<std::string> words = split_words(fold_for_comparison(text));
  return join(words, words.size() > 1 && is_article(words[0]) ? 1 : 0);
}
// "1. a red car" -> "a red car", for models that repeat the numbering.
std::string unnumbered(std::string_view label) {
  const std::string_view text = trim(label);
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits == text.size()) return std::string(text);
  const std::size_t rest = text.find_first_not_of(".):- ", digits);
  return rest == digits || rest == text.npos ? std::string(text) : std::string(text.substr(rest));
}

using Form = std::string (*)(std::string_view);

// Form of a text -> its position, or kAmbiguous.
std::map<std::string, std::size_t> index_by(Form form, const std::vector<std::string>& texts) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto [entry, fresh] = out.try_emplace(form(texts[i]), i);
    if (!fresh) entry->second = kAmbiguous;
  }
  return out;
}

class LabelMatcher {
 public:
  explicit LabelMatcher(const std::vector<std::string>& texts) : texts_(texts) {
    for (const Form form : {folded_form, word_form, bare_form}) {
      indexes_.emplace_back(form, index_by(form, texts));
    }
  }

  std::size_t match(const parse::GroundingItem& item) const {
    const std::size_t by_id = position_of_id(item);
    if (trim(item.label).empty()) {
      if (by_id != kNobody) return by_id;
      return texts_.size() == 1 && !item.id ? 0 : kNobody;
    }
    if (by_id != kNobody && bare_form(item.label) == bare_form(texts_[by_id])) return by_id;
    std::size_t by_label = position_of_label(item.label);
    if (by_label == kNobody) by_label = position_of_label(unnumbered(item.label));
    if (by_label == kAmbiguous) return kNobody;
    // Another expression's words under this number: the words say what was looked for.
    if (by_label != kNobody) return by_label;
    // A label that is only the number of an expression.
    if (is_number(item.label)) return position_of_number(item.label);
    // Words of its own ("car" for "a red car") under a good number: the number decides.
    return by_id;
  }

 private:
  std::size_t position_of_id(const parse::GroundingItem& item) const {
    const bool valid =
        item.id && *item.id >= 1 && *item.id <= static_cast<std::int64_t>(texts_.size());
    return valid ? static_cast<std::size_t>(*item.id - 1) : kNobody;
  }
  std::size_t position_of_number(const std::string& number) const {
    constexpr std::size_t kMaxDigits = 6;
    if (number.size() > kMaxDigits) return kNobody;
    parse::GroundingItem item;
    item.id = std::stoll(number);
    return position_of_id(item);
  }
  std::size_t position_of_label(std::string_view label) const {
    for (const auto& [form, index] : indexes_) {
      const auto found = index.find(form(label));
      if (found != index.end()) return found->second;
    }
    return kNobody;
  }

  const std::vector<std::string>& texts_;
  std::vector<std::pair<Form, std::map<std::string, std::size_t>>> indexes_;
};

double normalise_score(const std::optional<double>& given, LabelCounts& counts) {
  if (!given) return kDefaultScore;
  double score = *given;
  if (!std::isfinite(score)) {
    ++counts.scores_normalised;
    return kDefaultScore;
  }
  if (score < 0 || score > 1) {
    ++counts.scores_normalised;
    score = std::clamp(score > 1 ? score / 100 : 0.0, 0.0, 1.0);
  }
  constexpr double kDecimals = 10000;
  return std::round(score * kDecimals) / kDecimals;
}

// What lies a little outside is clamped. What lies many pictures away is no box: clamped, it would
// look like one that covers everything.
bool is_sensible(const std::array<double, 4>& v, const PictureSize& upright) {
  constexpr double kAbsurd = 10;
  const auto near = [](double value, int side) { return std::abs(value) <= kAbsurd * side; };
  return near(v[0], upright.width) && near(v[1], upright.height) && near(v[2], upright.width) &&
         near(v[3], upright.height);
}

std::optional<BoundingBox> clean_box(const parse::RawBox& raw, const GroundingFrame& frame,
                                     LabelCounts& counts) {
  const std::array<double, 4> v =
      to_upright_pixels(raw, frame.convention, frame.sent, frame.upright);
  if (!is_sensible(v, frame.upright)) {
    ++counts.boxes_dropped;
    return std::nullopt;
  }
  const double x1 = std::min(v[0], v[2]), x2 = std::max(v[0], v[2]);
  const double y1 = std::min(v[1], v[3]), y2 = std::max(v[1], v[3]);
  const auto clamp = [](double value, int side) {
    return static_cast<int>(std::lround(std::clamp(value, 0.0, static_cast<double>(side))));
  };
  const BoundingBox box{clamp(x1, frame.upright.width), clamp(y1, frame.upright.height),
                        clamp(x2, frame.upright.width), clamp(y2, frame.upright.height)};
  if (box.x1 >= box.x2 || box.y1 >= box.y2) {
    ++counts.boxes_dropped;
    return std::nullopt;
  }
  if (x1 != v[0] || y1 != v[1]) ++counts.boxes_reordered;
  // Half a pixel beyond the edge is rounding, not a box that was cut.
  constexpr double kSlack = 0.5;
  if (x1 < -kSlack || y1 < -kSlack || x2 > frame.upright.width + kSlack ||
      y2 > frame.upright.height + kSlack) {
    ++counts.boxes_clamped;
  }
  return box;
}

// Keeps the higher score of boxes that overlap more than the limit. `instances` are ordered by
// descending score, so the first of a pair stays.
std::vector<Instance> merge(const std::vector<Instance>& instances, double limit,
                            LabelCounts& counts) {
  if (limit <= 0) return instances;
  std::vector<Instance> out;
  for (const Instance& instance : instances) {
    const bool duplicate = std::any_of(out.begin(), out.end(), [&](const Instance& kept) {
      return kept.bbox == instance.bbox ||
             intersection_over_union(kept.bbox, instance.bbox) > limit;
    });
    if (duplicate) {
      ++counts.boxes_merged;
    } else {
      out.push_back(instance);
    }
  }
  return out;
}

std::vector<Instance> instances_of(const std::vector<std::size_t>& positions,
                                   const parse::GroundingAnswer& answer,
                                   const GroundingFrame& frame, const GroundingRules& rules,
                                   LabelCounts& counts) {
  std::vector<Instance> out;
  for (const std::size_t position : positions) {
    for (const parse::RawBox& raw : answer.items[position].boxes) {
      add_evidence(raw, frame.convention, frame.sent, counts.convention);
      const auto box = clean_box(raw, frame, counts);
      if (box) out.push_back({*box, normalise_score(raw.score, counts)});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Instance& a, const Instance& b) { return a.score > b.score; });
  out = merge(out, rules.merge_iou, counts);
  if (rules.max_instances > 0 && out.size() > rules.max_instances) {
    counts.boxes_beyond_limit += static_cast<std::int64_t>(out.size() - rules.max_instances);
    out.resize(rules.max_instances);
  }
  return out;
}

}  // namespace

std::string question_of(std::string_view text) { return folded_form(text); }

std::string words_alone(std::string_view phrase) { return bare_form(phrase); }

MatchedAnswer match_items(const std::vector<std::string>& texts,
                          const std::vector<parse::GroundingItem>& items) {
  MatchedAnswer out;
  out.items.resize(texts.size());
  const LabelMatcher matcher(texts);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t position = matcher.match(items[i]);
    if (position == kNobody) {
      ++out.unmatched_items;
    } else {
      out.items[position].push_back(i);
    }
  }
  return out;
}

Result<std::vector<std::vector<Instance>>> apply_grounding(const std::vector<std::string>& texts,
                                                           const parse::GroundingAnswer& answer,
                                                           const GroundingFrame& frame,
                                                           const GroundingRules& rules,
                                                           LabelCounts& counts) {
  const MatchedAnswer matched = match_items(texts, answer.items);
  if (!answer.items.empty() &&
      matched.unmatched_items == static_cast<std::int64_t>(answer.items.size())) {
    return fail(ErrorKind::kData, "the answer speaks of none of the expressions that were asked");
  }
  counts.answers_unmatched += matched.unmatched_items;
  counts.boxes_dropped += answer.unusable_boxes;
  std::vector<std::vector<Instance>> out;
  for (const std::vector<std::size_t>& positions : matched.items) {
    if (positions.empty()) ++counts.expressions_unanswered;
    out.push_back(instances_of(positions, answer, frame, rules, counts));
  }
  return out;
}

double intersection_over_union(const std::array<double, 4>& a, const std::array<double, 4>& b) {
  const auto area = [](double w, double h) { return std::max(w, 0.0) * std::max(h, 0.0); };
  const double shared = area(std::min(a[2], b[2]) - std::max(a[0], b[0]),
                             std::min(a[3], b[3]) - std::max(a[1], b[1]));
  const double both = area(a[2] - a[0], a[3] - a[1]) + area(b[2] - b[0], b[3] - b[1]) - shared;
  return both > 0 ? shared / both : 0;
}

double intersection_over_union(const BoundingBox& a, const BoundingBox& b) {
  const auto sides = [](const BoundingBox& box) {
    return std::array<double, 4>{static_cast<double>(box.x1), static_cast<double>(box.y1),
                                 static_cast<double>(box.x2), static_cast<double>(box.y2)};
  };
  return intersection_over_union(sides(a), sides(b));
}

}  // namespace alig
