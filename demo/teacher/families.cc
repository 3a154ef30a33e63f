#include "families.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"

namespace demo {
namespace {

using Json = nlohmann::ordered_json;
using Numbers = std::array<double, 4>;

// qwen_vl_utils' smart_resize with the checkpoints' limits: multiples of 28 pixels, 4 to 16384
// patches of that size.
cv::Size on_qwen_grid(cv::Size size) {
  constexpr double kPatch = 28, kMin = 4 * kPatch * kPatch, kMax = 16384 * kPatch * kPatch;
  const double w = size.width, h = size.height;
  double gw = std::max(1.0, std::nearbyint(w / kPatch)),
         gh = std::max(1.0, std::nearbyint(h / kPatch));
  const double area = gw * gh * kPatch * kPatch;
  if (area > kMax) {
    const double shrink = std::sqrt(w * h / kMax);
    gw = std::max(1.0, std::floor(w / shrink / kPatch));
    gh = std::max(1.0, std::floor(h / shrink / kPatch));
  } else if (area < kMin) {
    const double grow = std::sqrt(kMin / (w * h));
    gw = std::ceil(w * grow / kPatch);
    gh = std::ceil(h * grow / kPatch);
  }
  return {static_cast<int>(gw * kPatch), static_cast<int>(gh * kPatch)};
}

Numbers numbers_of(const cv::Rect2d& box, const Family& family, cv::Size received) {
  const cv::Size seen = seen_size(family, received);
  const double wide = family.range > 0 ? family.range : seen.width;
  const double high = family.range > 0 ? family.range : seen.height;
  const double digits = std::pow(10, family.decimals);
  const auto number = [&](double value, double side, double scale) {
    if (family.bins) return std::clamp(std::floor(value / side * scale), 0.0, scale - 1);
    return std::round(value / side * scale * digits) / digits;
  };
  const double x1 = number(box.x, received.width, wide);
  const double x2 = number(box.x + box.width, received.width, wide);
  const double y1 = number(box.y, received.height, high);
  const double y2 = number(box.y + box.height, received.height, high);
  return family.y_first ? Numbers{y1, x1, y2, x2} : Numbers{x1, y1, x2, y2};
}

Json number_json(double value, const Family& family) {
  if (family.decimals > 0) return value;
  return static_cast<int>(value);
}

Json box_json(const Numbers& numbers, const Family& family) {
  Json out = Json::array();
  for (const double value : numbers) out.push_back(number_json(value, family));
  return out;
}

// Runs over all boxes: phrase, numbers.
template <typename Write>
void for_each_box(const std::vector<Finding>& findings, const Family& family, cv::Size received,
                  Write write) {
  for (const Finding& finding : findings) {
    for (const Sighting& sighting : finding.sightings) {
      write(finding.text, numbers_of(sighting.box, family, received));
    }
  }
}

// "<before>phrase<after>[[…],[…]]<end>", one line for each phrase that was found.
std::string boxes_by_phrase(const std::vector<Finding>& findings, const Family& family,
                            cv::Size received, const char* before, const char* after,
                            const char* end) {
  std::string out;
  for (const Finding& finding : findings) {
    Json boxes = Json::array();
    for (const Sighting& sighting : finding.sightings) {
      boxes.push_back(box_json(numbers_of(sighting.box, family, received), family));
    }
    if (!boxes.empty()) out += before + finding.text + after + alig::json_text(boxes) + end + "\n";
  }
  return out;
}

std::string in_its_style(const std::vector<Finding>& findings, const Family& family,
                         cv::Size received) {
  std::string text;
  Json list = Json::array();
  const auto each = [&](auto write) { for_each_box(findings, family, received, write); };
  switch (family.style) {
    case Style::kLabelledBoxes:
      each([&](const std::string& phrase, const Numbers& n) {
        list.push_back(Json{{family.key, box_json(n, family)}, {"label", phrase}});
      });
      return "```json\n" + alig::json_text(list, 1) + "\n```";
    case Style::kObjects:
      each([&](const std::string& phrase, const Numbers& n) {
        list.push_back({{"label", phrase},
                        {"x_min", number_json(n[0], family)},
                        {"y_min", number_json(n[1], family)},
                        {"x_max", number_json(n[2], family)},
                        {"y_max", number_json(n[3], family)}});
      });
      return alig::json_text(Json{{"objects", list}});
    case Style::kObjectRef:
      each([&](const std::string& phrase, const Numbers& n) {
        text += fmt::format(
            "<|object_ref_start|>{}<|object_ref_end|><|box_start|>({},{}),({},{})<|box_end|>",
            phrase, n[0], n[1], n[2], n[3]);
      });
      break;
    case Style::kLocationTokens:
      each([&](const std::string& phrase, const Numbers& n) {
        text += fmt::format("{}<loc_{}><loc_{}><loc_{}><loc_{}>", phrase, n[0], n[1], n[2], n[3]);
      });
      break;
    case Style::kRefBox:
      text = boxes_by_phrase(findings, family, received, "<ref>", "</ref><box>", "</box>");
      break;
    case Style::kRefDet:
      text = boxes_by_phrase(findings, family, received, "<|ref|>", "<|/ref|><|det|>", "<|/det|>");
      break;
    case Style::kPhraseLines:
      text =
          boxes_by_phrase(findings, family, received, "", ": <|begin_of_box|>", "<|end_of_box|>");
      break;
  }
  return text.empty() ? "There are none." : text;
}

std::string by_schema(const std::vector<Finding>& findings, const Family& family,
                      cv::Size received) {
  Json groundings = Json::array();
  for (const Finding& finding : findings) {
    Json instances = Json::array();
    for (const Sighting& sighting : finding.sightings) {
      Json instance = Json::object();
      instance[family.key] = box_json(numbers_of(sighting.box, family, received), family);
      instance["score"] = std::round(sighting.score * 100) / 100;
      instances.push_back(std::move(instance));
    }
    groundings.push_back(
        {{"id", finding.id}, {"text", finding.text}, {"instances", std::move(instances)}});
  }
  Json out = Json::object();
  out["groundings"] = std::move(groundings);
  return alig::json_text(out, 2);
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> kFamilies = {
      {.name = "Gemini", .pattern = "gemini", .y_first = true, .range = 1000, .key = "box_2d"},
      {.name = "Gemma", .pattern = "gemma", .y_first = true, .range = 1000, .key = "bbox_2d"},
      {.name = "Kimi", .pattern = "kimi", .y_first = true, .range = 1000},
      {.name = "Qwen2.5-VL", .pattern = "qwen2.5-vl", .resize_to_grid = true, .key = "bbox_2d"},
      {.name = "Cosmos-Reason1",
       .pattern = "cosmos-reason1",
       .resize_to_grid = true,
       .key = "bbox_2d"},
      {.name = "Qwen2-VL", .pattern = "qwen2-vl", .range = 1000, .style = Style::kObjectRef},
      {.name = "Qwen3-VL and later", .pattern = "qwen", .range = 1000, .key = "bbox_2d"},
      {.name = "Cosmos-Reason2", .pattern = "cosmos", .range = 1000, .key = "bbox_2d"},
      {.name = "InternVL", .pattern = "internvl", .range = 1000, .style = Style::kRefBox},
      {.name = "LocateAnything",
       .pattern = "locateanything",
       .range = 1000,
       .style = Style::kRefBox},
      {.name = "Nemotron-VL", .pattern = "nemotron", .range = 1000, .key = "bbox_2d"},
      {.name = "GLM-V", .pattern = "glm", .range = 1000, .style = Style::kPhraseLines},
      {.name = "Doubao", .pattern = "doubao", .range = 1000},
      {.name = "DeepSeek-VL", .pattern = "deepseek-vl", .range = 999, .style = Style::kRefDet},
      {.name = "Florence-2",
       .pattern = "florence",
       .range = 1000,
       .bins = true,
       .style = Style::kLocationTokens},
      {.name = "Rex-Omni", .pattern = "rex-omni", .range = 999, .style = Style::kObjectRef},
      {.name = "Mistral Large", .pattern = "mistral-large", .range = 999},
      {.name = "Grok", .pattern = "grok", .range = 100, .decimals = 1},
      {.name = "Moondream",
       .pattern = "moondream",
       .range = 1,
       .decimals = 4,
       .style = Style::kObjects},
      {.name = "Ovis", .pattern = "ovis", .range = 1, .decimals = 3, .style = Style::kRefBox},
      {.name = "GPT", .pattern = "gpt", .longest_side = 2048},
      {.name = "Claude", .pattern = "claude", .longest_side = 1568},
      {.name = "unknown", .pattern = ""},
  };
  return kFamilies;
}

const Family& family_of(std::string_view model) {
  const std::string name = alig::ascii_lower(model);
  return *std::find_if(families().begin(), families().end(), [&](const Family& family) {
    return name.find(family.pattern) != std::string::npos;
  });
}

cv::Size seen_size(const Family& family, cv::Size received) {
  if (family.resize_to_grid) return on_qwen_grid(received);
  const int longest = std::max(received.width, received.height);
  if (family.longest_side == 0 || longest <= family.longest_side) return received;
  const double scale = static_cast<double>(family.longest_side) / longest;
  const auto side = [&](int value) {
    return std::max(1, static_cast<int>(std::lround(value * scale)));
  };
  return {side(received.width), side(received.height)};
}

cv::Size grid_of(const Family& family, cv::Size seen) {
  if (family.range == 0) return seen;
  const int steps = static_cast<int>(std::lround(family.range * std::pow(10, family.decimals)));
  return {steps, steps};
}

std::string write_answer(const std::vector<Finding>& findings, const Family& family,
                         cv::Size received, bool follows_schema) {
  // Models that write location tokens know no JSON.
  const bool can_follow = family.style != Style::kLocationTokens;
  return follows_schema && can_follow ? by_schema(findings, family, received)
                                      : in_its_style(findings, family, received);
}

}  // namespace demo
