#include "auto_label_image_grounding/parse/grounding_answer.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grounding_corpus.h"
#include "render_answer.h"

namespace alig::parse {
namespace {

using ::testing::HasSubstr;

TEST(GroundingAnswer, ReadsEveryShape) {
  for (const GroundingCase& c : all_grounding_cases()) {
    SCOPED_TRACE(c.name + ": " + c.text);
    EXPECT_EQ(render_grounding(c.text), c.expected);
    const auto answer = read_grounding_answer(c.text);
    EXPECT_EQ(answer ? render_repairs(answer->repairs) : "", c.repairs);
  }
}

// Boxes with their form and score, and how often they come.
std::map<std::string, int> boxes_of(const GroundingAnswer& answer) {
  std::map<std::string, int> out;
  for (const GroundingItem& item : answer.items) {
    for (const RawBox& box : item.boxes) ++out[render(box)];
  }
  return out;
}

// The first box that the whole does not have; empty where there is none.
std::string invented_box(const std::map<std::string, int>& part,
                         const std::map<std::string, int>& whole) {
  for (const auto& [box, count] : part) {
    const auto found = whole.find(box);
    if (found == whole.end() || found->second < count) return box;
  }
  return {};
}

bool denies(const GroundingAnswer& answer, const std::string& label) {
  for (const GroundingItem& item : answer.items) {
    if (item.label == label && item.boxes.empty()) return true;
  }
  return false;
}

// Labels that a prefix says are not there, while the whole does not say so.
std::string invented_denial(const GroundingAnswer& part, const GroundingAnswer& whole) {
  for (const GroundingItem& item : part.items) {
    if (item.boxes.empty() && !denies(whole, item.label)) return item.label;
  }
  return {};
}

TEST(GroundingAnswer, NoPrefixInventsABox) {
  for (const GroundingCase& c : all_grounding_cases()) {
    if (c.revises_itself) continue;
    const GroundingAnswer whole = read_grounding_answer(c.text).value_or(GroundingAnswer{});
    for (std::size_t length = 0; length < c.text.size(); ++length) {
      const std::string prefix = c.text.substr(0, length);
      SCOPED_TRACE(c.name + ": " + prefix);
      const auto part = read_grounding_answer(prefix);
      if (!part) continue;
      ASSERT_EQ(invented_box(boxes_of(*part), boxes_of(whole)), "");
      ASSERT_EQ(invented_denial(*part, whole), "");
    }
  }
}

TEST(GroundingAnswer, PrefixesThatReviseThemselvesDoNotCrash) {
  for (const GroundingCase& c : all_grounding_cases()) {
    if (!c.revises_itself) continue;
    int readable = 0;
    for (std::size_t length = 0; length <= c.text.size(); ++length) {
      readable += read_grounding_answer(c.text.substr(0, length)).has_value() ? 1 : 0;
    }
    EXPECT_GT(readable, 0) << c.text;
  }
}

// A strict JSON answer is cut at every length but the last.
TEST(GroundingAnswer, EveryCutOfAJsonAnswerIsNoticed) {
  for (const GroundingCase& c : shape_cases()) {
    const bool strict = c.repairs.empty() && c.expected != "error" && !c.text.empty() &&
                        (c.text[0] == '{' || c.text[0] == '[');
    if (!strict) continue;
    for (std::size_t length = 1; length < c.text.size(); ++length) {
      const auto part = read_grounding_answer(c.text.substr(0, length));
      ASSERT_TRUE(part.has_value()) << c.text.substr(0, length);
      ASSERT_TRUE(part->truncated) << c.text.substr(0, length);
    }
  }
}

TEST(GroundingAnswer, CompleteAnswersAreNotTruncated) {
  for (const GroundingCase& c : all_grounding_cases()) {
    const auto answer = read_grounding_answer(c.text);
    const bool cut = c.expected.size() >= 3 && c.expected.substr(c.expected.size() - 3) == "...";
    EXPECT_EQ(answer && answer->truncated, cut) << c.text;
  }
}

TEST(GroundingAnswer, ErrorsSayWhatWasFound) {
  struct Row {
    std::string text;
    std::string message;
  };
  const std::vector<Row> rows = {
      {"", "the answer is empty"},
      {"<think>hm", "ends inside its reasoning"},
      {"The dog is on the left.", "no boxes and no JSON: \"The dog is on the left.\""},
      {R"({"error":"overloaded"})", R"(says nothing about boxes: "{"error":"overloaded"}")"},
      {std::string(5000, 'x'), "…"},
  };
  for (const Row& row : rows) {
    const auto answer = read_grounding_answer(row.text);
    ASSERT_FALSE(answer.has_value()) << row.text;
    EXPECT_EQ(answer.error().kind, ErrorKind::kData);
    EXPECT_THAT(answer.error().message, HasSubstr(row.message));
    EXPECT_LT(answer.error().message.size(), 300u);
  }
}

TEST(GroundingAnswer, NumbersThatComeOutAreFinite) {
  const std::vector<std::string> values = {"NaN",    "Infinity", "-Infinity", "1e999",
                                           "-1e999", "nan",      "inf",       "\"1e999\""};
  for (const std::string& value : values) {
    const std::string text = "[{\"label\":\"a\",\"bbox\":[1,2,3," + value +
                             "]},{\"label\":\"b\",\"x1\":1,\"y1\":2,\"x2\":3,\"y2\":" + value +
                             "},{\"label\":\"c\",\"bbox\":[1,2,3,4],\"score\":" + value + "}]";
    const auto answer = read_grounding_answer(text);
    ASSERT_TRUE(answer.has_value()) << text;
    ASSERT_EQ(answer->items.size(), 1u) << text;
    EXPECT_EQ(answer->items[0].label, "c");
    EXPECT_FALSE(answer->items[0].boxes[0].score.has_value()) << text;
    EXPECT_EQ(answer->unusable_boxes, 2) << text;
  }
}

TEST(GroundingAnswer, ANumberThatTheEndCutsNeverComesOut) {
  const std::string text = "[[1,2,3,400]";
  for (std::size_t length = 0; length + 1 < text.size(); ++length) {
    const auto part = read_grounding_answer(text.substr(0, length));
    EXPECT_TRUE(!part || part->items.empty()) << text.substr(0, length);
  }
}

TEST(GroundingAnswer, ALoopOfOneBoxIsPassedOn) {
  std::string text = "[";
  constexpr int kTimes = 20000;
  for (int i = 0; i < kTimes; ++i) text += R"({"label":"a","bbox":[1,2,3,4]},)";
  const auto answer = read_grounding_answer(text);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->items.size(), static_cast<std::size_t>(kTimes));
  EXPECT_TRUE(answer->truncated);
}

TEST(GroundingAnswer, LabelsHalfInSightAreLeftOut) {
  const auto answer = read_grounding_answer(std::string(1000, 'x') + ": [1,2,3,4]");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->items[0].label, "");
}

}  // namespace
}  // namespace alig::parse
