#include "auto_label_image_grounding/vlm/coordinates.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

constexpr CoordinateConvention kPixels{AxisOrder::kXyxy, 0};
constexpr CoordinateConvention kXyxy1000{AxisOrder::kXyxy, 1000};
constexpr CoordinateConvention kYxyx1000{AxisOrder::kYxyx, 1000};
constexpr CoordinateConvention kXyxy999{AxisOrder::kXyxy, 999};
constexpr CoordinateConvention kXyxy100{AxisOrder::kXyxy, 100};
constexpr CoordinateConvention kXyxy1{AxisOrder::kXyxy, 1};

// Checkpoint defaults of qwen_vl_utils: 4 and 16384 merged patches of 28 pixels.
constexpr ResizeGrid kQwen25Grid{28, 3136, 12845056};

struct FamilyRow {
  const char* pattern;  // in the model name, letters and digits only, lower case
  ModelFamily family;
};

// The first row whose pattern occurs in the name wins, so specific patterns come before general
// ones.
// Sources: each vendor's documentation of grounding; roboflow/vlm-exam, configs/models.yaml.
// Tokens: patches of 28 (Qwen2.5) or 32 pixels (Qwen3), Gemini's tiles of 768 pixels for 258
// tokens, GPT's of 512 for 170, InternVL's of 448 for 256, Claude's w*h/750.
const std::vector<FamilyRow>& family_rows() {
  static const std::vector<FamilyRow> kRows = {
      // Named after the language model in them too: Ovis1.6-Gemma2-9B.
      {"ovis1", {"Ovis", kXyxy1, {}}},  // not "ovis": that is in "gpt-4o-vision" too
      {"ovis2", {"Ovis", kXyxy1, {}}},
      {"locateanything", {"LocateAnything", kXyxy1000, {}}},
      {"cosmosreason1", {"Cosmos-Reason1", kPixels, kQwen25Grid, 0, nullptr, 784}},
      {"cosmosreason", {"Cosmos-Reason2", kXyxy1000, {}}},
      {"qwen25vl", {"Qwen2.5-VL", kPixels, kQwen25Grid, 0, nullptr, 784}},
      {"qwen2vl", {"Qwen2-VL", kXyxy1000, {}, 0, nullptr, 784}},
      {"qwen", {"Qwen3-VL and later", kXyxy1000, {}}},
      {"gemini", {"Gemini", kYxyx1000, {}, 0, nullptr, 2286}},
      {"gemma3",
       {"Gemma 3", kYxyx1000, {}, 0, "Gemma 3 was not trained to give boxes; Gemma 4 was"}},
      {"gemma", {"Gemma", kYxyx1000, {}}},
      {"internvl", {"InternVL", kXyxy1000, {}, 0, nullptr, 784}},
      {"nemotron", {"Nemotron-VL", kXyxy1000, {}}},
      {"glm", {"GLM-V", kXyxy1000, {}}},
      {"doubao", {"Doubao", kXyxy1000, {}}},
      {"seed1", {"Doubao", kXyxy1000, {}}},
      {"kimi", {"Kimi", kYxyx1000, {}}},
      {"deepseekvl", {"DeepSeek-VL", kXyxy999, {}}},
      {"florence", {"Florence-2", kXyxy999, {}}},
      {"rexomni", {"Rex-Omni", kXyxy999, {}}},
      {"mistrallarge", {"Mistral Large", kXyxy999, {}}},
      {"grok", {"Grok", kXyxy100, {}}},
      {"moondream", {"Moondream", kXyxy1, {}}},
      {"molmo", {"Molmo", kXyxy100, {}, 0, "Molmo answers with points, which are no boxes"}},
      {"gpt", {"GPT", kPixels, {}, 2048, nullptr, 1542}},
      {"claude", {"Claude", kPixels, {}, 1568, nullptr, 750}},
  };
  return kRows;
}

const ModelFamily kUnknownFamily{"unknown", kPixels, {}};

std::string letters_and_digits(std::string_view text) {
  std::string out = ascii_lower(text);
  std::erase_if(out, [](char c) { return (c < 'a' || c > 'z') && (c < '0' || c > '9'); });
  return out;
}

// Python's round(): half to even, as the model's own preprocessing does it.
int round_to_multiple(double value, int factor) {
  return static_cast<int>(std::nearbyint(value / factor)) * factor;
}

ImageSize on_grid(const ImageSize& size, const ResizeGrid& grid) {
  const double w = size.width;
  const double h = size.height;
  ImageSize out{std::max(grid.factor, round_to_multiple(w, grid.factor)),
                std::max(grid.factor, round_to_multiple(h, grid.factor))};
  const double area = static_cast<double>(out.width) * out.height;
  const auto scaled = [&](double side, double scale, auto whole) {
    return std::max(grid.factor, static_cast<int>(whole(side * scale / grid.factor)) * grid.factor);
  };
  if (area > grid.max_pixels) {
    const double scale = std::sqrt(grid.max_pixels / (w * h));
    const auto down = [](double v) { return std::floor(v); };
    out = {scaled(w, scale, down), scaled(h, scale, down)};
  } else if (area < grid.min_pixels) {
    const double scale = std::sqrt(grid.min_pixels / (w * h));
    const auto up = [](double v) { return std::ceil(v); };
    out = {scaled(w, scale, up), scaled(h, scale, up)};
  }
  return out;
}

ImageSize within_side(const ImageSize& size, int max_side) {
  const int longest = std::max(size.width, size.height);
  if (max_side <= 0 || longest <= max_side) return size;
  const double scale = static_cast<double>(max_side) / longest;
  const auto side = [&](int value) {
    return std::max(1, static_cast<int>(std::lround(value * scale)));
  };
  return {side(size.width), side(size.height)};
}

struct Range {
  double x;
  double y;
};

Range range_of(parse::BoxForm form, const CoordinateConvention& convention, const ImageSize& sent) {
  if (form == parse::BoxForm::kLocation1024) return {1024, 1024};
  if (form == parse::BoxForm::kLocation1000) return {1000, 1000};
  if (form == parse::BoxForm::kPatch32) return {32, 32};
  if (convention.range > 0) return {convention.range, convention.range};
  return {static_cast<double>(sent.width), static_cast<double>(sent.height)};
}

bool is_yxyx(parse::BoxForm form, const CoordinateConvention& convention) {
  return form == parse::BoxForm::kLocation1024 ||
         (form == parse::BoxForm::kPositional && convention.order == AxisOrder::kYxyx);
}

}  // namespace

const ModelFamily& family_of_model(std::string_view model_name) {
  const std::string name = letters_and_digits(model_name);
  const auto& rows = family_rows();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const FamilyRow& row) {
    return name.find(row.pattern) != std::string::npos;
  });
  return found == rows.end() ? kUnknownFamily : found->family;
}

CoordinateChoice choose_coordinates(std::string_view setting, std::string_view model_name) {
  CoordinateChoice choice;
  choice.family = &family_of_model(model_name);
  choice.automatic = setting == "auto";
  if (choice.automatic) choice.convention = choice.family->convention;
  if (setting == "pixel") choice.convention = kPixels;
  if (setting == "xyxy_1000") choice.convention = kXyxy1000;
  if (setting == "yxyx_1000") choice.convention = kYxyx1000;
  if (setting == "xyxy_1") choice.convention = kXyxy1;
  return choice;
}

std::string name_of(const CoordinateConvention& convention) {
  if (convention.range == 0) return "pixel";
  return fmt::format("{}_{}", convention.order == AxisOrder::kXyxy ? "xyxy" : "yxyx",
                     convention.range);
}

ImageSize size_to_send(const ImageSize& upright, const CoordinateChoice& choice,
                       int max_image_side) {
  ImageSize size = within_side(upright, max_image_side);
  if (choice.convention.range > 0) return size;
  size = within_side(size, choice.family->max_side);
  const ResizeGrid& grid = choice.family->grid;
  if (grid.factor == 0) return size;
  size = on_grid(size, grid);
  // Rounding to the grid must not go beyond the user's limit: never up.
  const int limit = max_image_side / grid.factor * grid.factor;
  if (limit > 0) size = {std::min(size.width, limit), std::min(size.height, limit)};
  return size;
}

std::string describe(const CoordinateConvention& convention, const ImageSize& sent) {
  const bool yxyx = convention.order == AxisOrder::kYxyx;
  const std::string order = yxyx ? "[ymin, xmin, ymax, xmax]" : "[xmin, ymin, xmax, ymax]";
  // The example box: the middle half of the width, the upper half of the height.
  const auto example = [&](double w, double h, int digits) {
    const double x1 = w / 4, x2 = w * 3 / 4, y1 = 0, y2 = h / 2;
    return yxyx ? fmt::format("[{:.{}f}, {:.{}f}, {:.{}f}, {:.{}f}]", y1, digits, x1, digits, y2,
                              digits, x2, digits)
                : fmt::format("[{:.{}f}, {:.{}f}, {:.{}f}, {:.{}f}]", x1, digits, y1, digits, x2,
                              digits, y2, digits);
  };
  if (convention.range == 0) {
    return fmt::format(
        "Give every box as {} in pixels of this image, which is {} pixels wide and {} pixels high; "
        "the origin is the top left corner. Example: an object in the middle half of the width and "
        "the upper half of the height is {}.",
        order, sent.width, sent.height, example(sent.width, sent.height, 0));
  }
  return fmt::format(
      "Give every box as {} with numbers from 0 to {}, relative to the image: 0 is its left or top "
      "edge, {} its right or bottom edge, whatever its size. Example: an object in the middle half "
      "of the width and the upper half of the height is {}.",
      order, convention.range, convention.range,
      example(convention.range, convention.range, convention.range > 1 ? 0 : 2));
}

std::array<double, 4> to_upright_pixels(const parse::RawBox& box,
                                        const CoordinateConvention& convention,
                                        const ImageSize& sent, const ImageSize& upright) {
  std::array<double, 4> v = box.values;
  // Florence-2's processor takes bins back by their middle (transformers, processing_florence2.py).
  constexpr double kMiddle = 0.5;
  if (box.form == parse::BoxForm::kLocation1000) {
    for (double& bin : v) bin += kMiddle;
  }
  if (is_yxyx(box.form, convention)) {
    std::swap(v[0], v[1]);
    std::swap(v[2], v[3]);
  }
  const Range range = range_of(box.form, convention, sent);
  const double sx = upright.width / range.x;
  const double sy = upright.height / range.y;
  return {v[0] * sx, v[1] * sy, v[2] * sx, v[3] * sy};
}

}  // namespace alig
