// Verbatim answers of real models, where they are at hand (they are not ours to ship): a file of
// JSON lines with `id`, `raw` and `expect` {parseable, boxes, labels}, its folder named by the
// environment variable ALIG_SHARED_DATA.
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/parse/grounding_answer.h"
#include "tests/unit/support/shared_data.h"

namespace alig::parse {
namespace {

using nlohmann::json;

struct LabelledBox {
  std::string label;
  std::vector<double> values;
  bool operator==(const LabelledBox&) const = default;
  friend void PrintTo(const LabelledBox& box, std::ostream* out) {
    *out << box.label << " " << ::testing::PrintToString(box.values);
  }
};

// Labels that the file takes from elsewhere than the answer, or from its prose: the program gives
// such boxes to the one expression that was asked. id -> why our label is empty.
const std::map<std::string, std::string>& other_labels() {
  static const std::map<std::string, std::string> kLabels = {
      {"nemotron-vl-004", "the label is the question, it is not in the answer"},
      {"nemotron-vl-008", "the label is the question, it is not in the answer"},
      {"gemma-005", "the label is the question, it is not in the answer"},
      {"gemma-009", "the label is the question, it is not in the answer"},
      {"qwen3-vl-012", "the label is the question, it is not in the answer"},
      {"glm-v-005", "a noun of the sentence that announces the box"},
  };
  return kLabels;
}

std::vector<LabelledBox> expected_of(const json& row) {
  const json& expect = row["expect"];
  std::vector<LabelledBox> out;
  if (!expect["boxes"].is_array()) return out;
  const bool labelled = expect["labels"].is_array() && !other_labels().contains(row["id"]);
  for (std::size_t i = 0; i < expect["boxes"].size(); ++i) {
    const json label = labelled ? expect["labels"].at(i) : json();
    out.push_back({label.is_string() ? label.get<std::string>() : "", expect["boxes"][i]});
  }
  return out;
}

// Patches are read on their grid of 32, the file states parts of the image.
double scale_of(BoxForm form) { return form == BoxForm::kPatch32 ? 32 : 1; }

std::vector<LabelledBox> boxes_of(const GroundingAnswer& answer) {
  std::vector<LabelledBox> out;
  for (const GroundingItem& item : answer.items) {
    for (const RawBox& box : item.boxes) {
      std::vector<double> values(box.values.begin(), box.values.end());
      for (double& value : values) value /= scale_of(box.form);
      out.push_back({item.label, values});
    }
  }
  return out;
}

TEST(ModelAnswers, AreReadAsTheyWereMeant) {
  if (shared_data().empty()) GTEST_SKIP() << "ALIG_SHARED_DATA is not set";
  std::ifstream in(shared_data() / "model_answers.jsonl");
  ASSERT_TRUE(in) << shared_data();
  int seen = 0;
  for (std::string line; std::getline(in, line);) {
    const json row = json::parse(line);
    const std::string raw = row["raw"];
    SCOPED_TRACE(row["id"].get<std::string>() + ": " + raw);
    const auto answer = read_grounding_answer(raw);
    EXPECT_EQ(answer ? boxes_of(*answer) : std::vector<LabelledBox>(), expected_of(row));
    // A plain "there are none" is an answer, and not one to be asked for again.
    EXPECT_TRUE(answer || row["expect"]["boxes"] != json::array());
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

}  // namespace
}  // namespace alig::parse
