// A model's answer about boxes, from its text to the output line.
//
// The first byte chooses convention, image and expressions; the rest is the answer.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/phrase.h"
#include "auto_label_image_grounding/parse/grounding_answer.h"
#include "auto_label_image_grounding/steps/phrase_grounding.h"
#include "auto_label_image_grounding/steps/render.h"
#include "tests/fuzz/fuzz_support.h"

namespace alig::fuzz {
namespace {

using Instances = std::vector<std::vector<Instance>>;

constexpr std::size_t kMaxInstances = 10;

struct Setting {
  GroundingFrame frame;
  GroundingRules rules;
  bool ask_for_labels = false;  // the expressions are those that the answer names
};

Setting setting_of(std::uint8_t choice) {
  constexpr std::array<CoordinateConvention, 5> kConventions = {{{AxisOrder::kXyxy, 0},
                                                                 {AxisOrder::kYxyx, 1000},
                                                                 {AxisOrder::kXyxy, 1000},
                                                                 {AxisOrder::kXyxy, 1},
                                                                 {AxisOrder::kYxyx, 0}}};
  struct Frame {
    ImageSize sent, upright;
  };
  constexpr std::array<Frame, 4> kFrames = {
      {{{640, 480}, {640, 480}}, {{28, 28}, {4000, 3000}}, {{1, 1}, {1, 1}}, {{9, 7}, {3, 65535}}}};
  const Frame& frame = kFrames[choice / kConventions.size() % kFrames.size()];
  Setting out;
  out.frame = {kConventions[choice % kConventions.size()], frame.sent, frame.upright};
  constexpr std::uint8_t kLabels = 0x80, kLenient = 0x40;
  out.ask_for_labels = (choice & kLabels) != 0;
  out.rules = (choice & kLenient) != 0 ? GroundingRules{0, 0} : GroundingRules{0.95, kMaxInstances};
  return out;
}

void check_answer(const parse::GroundingAnswer& answer) {
  for (const parse::GroundingItem& item : answer.items) {
    for (const parse::RawBox& box : item.boxes) {
      require(std::all_of(box.values.begin(), box.values.end(),
                          [](double value) { return std::isfinite(value); }),
              "a raw box has finite numbers");
    }
  }
  require(std::is_sorted(answer.repairs.begin(), answer.repairs.end()), "repairs are sorted");
  require(answer.unusable_boxes >= 0, "unusable boxes are counted up");
}

std::vector<std::string> expressions_for(const parse::GroundingAnswer& answer, bool labels) {
  if (!labels) return {"the red car", "a dog", "two people", "Über-Kunst", "3"};
  std::vector<std::string> out;
  std::set<std::string> questions;
  for (const parse::GroundingItem& item : answer.items) {
    if (questions.insert(grouping_key(item.label)).second) out.push_back(item.label);
  }
  return out;
}

void check_instances(const Instances& instances, const Setting& setting) {
  for (const std::vector<Instance>& list : instances) {
    for (const Instance& instance : list) {
      require_box(instance.bbox, setting.frame.upright);
      require_score(instance.score);
    }
    require(std::is_sorted(list.begin(), list.end(),
                           [](const Instance& a, const Instance& b) { return a.score > b.score; }),
            "instances are ordered by descending score");
    const std::size_t most = setting.rules.max_instances;
    require(most == 0 || list.size() <= most, "there are no more instances than allowed");
  }
}

Record extracted_record(const std::vector<std::string>& texts) {
  Sample sample;
  auto record = Record::parse(R"({"image_path": "a.jpg", "caption": "c"})");
  require(record.has_value(), "the input line is good");
  sample.record = std::move(*record);
  sample.image_path = "a.jpg";
  sample.image_id = "a";
  sample.caption = "c";
  ExtractionResult extraction;
  extraction.cleaned_caption = "c";
  for (const std::string& text : texts) extraction.expressions.push_back({text, {}, text});
  IdCounter ids;
  return render_extraction(sample, extraction, {}, ids);
}

// What comes out is one line of JSON that holds the very boxes.
void check_output_line(const std::vector<std::string>& texts, const Instances& instances,
                       const ImageSize& upright) {
  IdCounter ids;
  const Record out = render_grounding(extracted_record(texts), {instances, upright}, {}, ids);
  const std::string line = out.dump();
  require(line.find('\n') == line.npos, "an output line is one line");
  const auto read = nlohmann::json::parse(line, nullptr, false);
  require(read.is_object() && read["expressions"].size() == texts.size(), "expressions stay");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto& expression = read["expressions"][i];
    require(expression["text"] == scrub_utf8(texts[i]), "an expression keeps its text");
    require(expression["instances"].size() == instances[i].size(), "no instance is lost");
    for (std::size_t j = 0; j < instances[i].size(); ++j) {
      const BoundingBox& box = instances[i][j].bbox;
      const std::array<int, 4> sides = {box.x1, box.y1, box.x2, box.y2};
      require(expression["instances"][j]["bbox"] == sides, "a box is written as it is");
    }
  }
}

void run(std::string_view text) {
  if (text.empty()) return;
  const Setting setting = setting_of(static_cast<std::uint8_t>(text.front()));
  text.remove_prefix(1);
  const auto answer = parse::read_grounding_answer(text);
  if (!answer) {
    require(answer.error().kind == ErrorKind::kData, "an unreadable answer is kData");
    require(!answer.error().message.empty(), "an error says what is wrong");
    return;
  }
  check_answer(*answer);
  const std::vector<std::string> texts = expressions_for(*answer, setting.ask_for_labels);
  LabelCounts counts;
  const auto instances = apply_grounding(texts, *answer, setting.frame, setting.rules, counts);
  if (!instances) return;
  require(instances->size() == texts.size(), "each expression has its list");
  check_instances(*instances, setting);
  for (const auto& [name, count] : counts.named()) require(count >= 0, name.c_str());
  doubt_convention(counts.convention, setting.frame.convention);
  check_output_line(texts, *instances, setting.frame.upright);
}

}  // namespace
}  // namespace alig::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  alig::fuzz::run(alig::fuzz::as_text(data, size));
  return 0;
}
