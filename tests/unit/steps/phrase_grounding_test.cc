#include "auto_label_image_grounding/steps/phrase_grounding.h"

#include <limits>

#include <gtest/gtest.h>

namespace alig {
namespace {

using parse::BoxForm;
using parse::GroundingAnswer;
using parse::GroundingItem;
using parse::RawBox;

RawBox box(double a, double b, double c, double d, std::optional<double> score = {}) {
  RawBox out;
  out.values = {a, b, c, d};
  out.form = BoxForm::kPositional;
  out.score = score;
  return out;
}

GroundingItem item(const char* label, std::optional<std::int64_t> id,
                   std::vector<RawBox> boxes = {}) {
  GroundingItem out;
  out.label = label;
  out.id = id;
  out.boxes = std::move(boxes);
  return out;
}

const GroundingFrame kPixels{{AxisOrder::kXyxy, 0}, {100, 50}, {100, 50}};
const GroundingRules kRules{0.95, 10};

std::vector<Instance> ground_one(std::vector<RawBox> boxes, const GroundingFrame& frame,
                                 LabelCounts& counts, const GroundingRules& rules = kRules) {
  GroundingAnswer answer;
  answer.items = {item("x", 1, std::move(boxes))};
  auto out = apply_grounding({"x"}, answer, frame, rules, counts);
  EXPECT_TRUE(out);
  return out ? out->at(0) : std::vector<Instance>();
}

TEST(PhraseGroundingTest, MatchesLabelsHoweverTheyAreWritten) {
  const std::vector<std::string> texts = {"The red car", "a man's hat", "café", "two dogs"};
  struct Case {
    const char* label;
    std::optional<std::int64_t> id;
    int position;  // -1: unmatched
  };
  for (const Case& c : {
           Case{"The red car", {}, 0},
           Case{"the RED car", {}, 0},
           Case{"red car", {}, 0},
           Case{"\"the red car\"", {}, 0},
           Case{"1. the red car", {}, 0},
           Case{"  the  red   car ", {}, 0},
           Case{"A man's hat", {}, 1},
           Case{"man’s hat", {}, 1},
           Case{"CAFE\u0301", {}, 2},
           Case{"the two dogs", {}, 3},
           Case{"", 4, 3},
           Case{"2", {}, 1},
           Case{"car", 1, 0},
           Case{"red car", 4, 0},
           Case{"2.", {}, 1},
           Case{"#2", {}, 1},
           Case{"Expression 2", {}, 1},
           Case{"3 dogs", {}, -1},
           Case{"dog", 1, -1},
           Case{"a blue boat", {}, -1},
           Case{"", {}, -1},
           Case{"", 9, -1},
           Case{"99", {}, -1},
           Case{"99999999999999999999", {}, -1},
       }) {
    const MatchedAnswer matched = match_items(texts, {item(c.label, c.id)});
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(matched.items[static_cast<std::size_t>(i)].size(), i == c.position ? 1u : 0u)
          << c.label << " against " << texts[static_cast<std::size_t>(i)];
    }
    EXPECT_EQ(matched.unmatched_items, c.position < 0 ? 1 : 0) << c.label;
  }
}

TEST(PhraseGroundingTest, AnAmbiguousLabelMatchesNoExpression) {
  const std::vector<std::string> texts = {"the dog", "a dog"};
  EXPECT_EQ(match_items(texts, {item("dog", {})}).unmatched_items, 1);
  EXPECT_EQ(match_items(texts, {item("A dog", {})}).items[1].size(), 1u);
  EXPECT_EQ(match_items(texts, {item("dog", 1)}).items[0].size(), 1u) << "the id decides";
}

// Which items each expression gets: "(01)|()".
std::string render_matches(const std::vector<std::string>& texts,
                           const std::vector<GroundingItem>& items) {
  std::string out;
  for (const auto& positions : match_items(texts, items).items) {
    out += out.empty() ? "(" : "|(";
    for (const std::size_t position : positions) out += std::to_string(position);
    out += ")";
  }
  return out;
}

TEST(PhraseGroundingTest, ItsOwnNumbersMeanNothing) {
  const std::vector<std::string> texts = {"the brown dog", "the cat"};
  struct Case {
    const char* name;
    std::vector<GroundingItem> items;
    const char* matches;
  };
  const std::vector<Case> cases = {
      {"as asked", {item("", 1), item("", 2)}, "(0)|(1)"},
      {"from 0", {item("", 0), item("", 1)}, "()|()"},
      {"from 0, as labels", {item("0", {}), item("1", {})}, "()|()"},
      {"from 0, with labels", {item("the brown dog", 0), item("the cat", 1)}, "(0)|(1)"},
      {"from 0, with words of its own", {item("animal", 0), item("pet", 1)}, "()|()"},
      {"counts what it found", {item("", 1), item("", 2), item("", 3)}, "()|()"},
      {"counts the dogs", {item("dog", 1), item("dog", 2), item("cat", 3)}, "()|(2)"},
      {"the cat is not there", {item("dog", 1), item("dog", 2)}, "(0)|()"},
      {"words of its own", {item("dog", 1), item("kitten", 2)}, "(0)|(1)"},
      {"numbers in another order", {item("the cat", 1), item("hound", 2)}, "()|(0)"},
  };
  for (const Case& c : cases) EXPECT_EQ(render_matches(texts, c.items), c.matches) << c.name;
}

TEST(PhraseGroundingTest, LabelsWithoutWordsFitOnlyTheSame) {
  const std::vector<std::string> texts = {"→", "a dog"};
  EXPECT_EQ(match_items(texts, {item("★", {})}).unmatched_items, 1);
  EXPECT_EQ(match_items(texts, {item(" → ", {})}).items[0].size(), 1u);
}

TEST(PhraseGroundingTest, AnAnswerWhoseBoxesAreNoneIsUnusable) {
  GroundingAnswer answer;
  answer.unusable_boxes = 1;
  LabelCounts counts;
  EXPECT_FALSE(apply_grounding({"a", "b"}, answer, kPixels, kRules, counts));
  answer.items = {item("a", 1)};
  EXPECT_TRUE(apply_grounding({"a", "b"}, answer, kPixels, kRules, counts));
  EXPECT_EQ(counts.boxes_dropped, 1);
}

TEST(PhraseGroundingTest, OrderOfTheAnswerDoesNotMatter) {
  GroundingAnswer answer;
  answer.items = {item("b", 2, {box(1, 1, 2, 2)}), item("a", 1, {box(3, 3, 4, 4)})};
  LabelCounts counts;
  const auto out = apply_grounding({"a", "b"}, answer, kPixels, kRules, counts);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->at(0).at(0).bbox, (BoundingBox{3, 3, 4, 4}));
  EXPECT_EQ(out->at(1).at(0).bbox, (BoundingBox{1, 1, 2, 2}));
}

TEST(PhraseGroundingTest, AnAnswerAboutSomethingElseIsUnusable) {
  GroundingAnswer answer;
  answer.items = {item("zebra", {}, {box(1, 1, 2, 2)})};
  LabelCounts counts;
  EXPECT_FALSE(apply_grounding({"a", "b"}, answer, kPixels, kRules, counts));
  EXPECT_TRUE(apply_grounding({"a", "b"}, GroundingAnswer{}, kPixels, kRules, counts))
      << "nothing seen";
  EXPECT_EQ(counts.expressions_unanswered, 2);
}

TEST(PhraseGroundingTest, ConvertsToThePixelsOfTheUprightImage) {
  LabelCounts counts;
  const GroundingFrame yxyx{{AxisOrder::kYxyx, 1000}, {640, 480}, {4000, 2000}};
  EXPECT_EQ(ground_one({box(100, 200, 300, 400)}, yxyx, counts).at(0).bbox,
            (BoundingBox{800, 200, 1600, 600}));
  const GroundingFrame resized{{AxisOrder::kXyxy, 0}, {500, 250}, {1000, 500}};
  EXPECT_EQ(ground_one({box(10, 20, 30, 40)}, resized, counts).at(0).bbox,
            (BoundingBox{20, 40, 60, 80}));
  RawBox named = box(10, 20, 30, 40);
  named.form = BoxForm::kNamed;
  EXPECT_EQ(ground_one({named}, {{AxisOrder::kYxyx, 100}, {1, 1}, {100, 100}}, counts).at(0).bbox,
            (BoundingBox{10, 20, 30, 40}))
      << "axes named by keys are not swapped";
}

TEST(PhraseGroundingTest, CleansAndCounts) {
  LabelCounts counts;
  EXPECT_EQ(ground_one({box(30, 40, 10, 20)}, kPixels, counts).at(0).bbox,
            (BoundingBox{10, 20, 30, 40}));
  EXPECT_EQ(counts.boxes_reordered, 1);
  EXPECT_EQ(ground_one({box(-5, 10, 120, 40)}, kPixels, counts).at(0).bbox,
            (BoundingBox{0, 10, 100, 40}));
  EXPECT_EQ(counts.boxes_clamped, 1);
  EXPECT_TRUE(ground_one({box(10, 10, 10.3, 40), box(200, 10, 300, 40)}, kPixels, counts).empty());
  EXPECT_EQ(counts.boxes_dropped, 2);
  EXPECT_EQ(ground_one({box(1.5, 2.4, 99.6, 49.5)}, kPixels, counts).at(0).bbox,
            (BoundingBox{2, 2, 100, 50}))
      << "rounded to nearest";
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(ground_one({box(nan, 1, 2, 3), box(0, 0, infinity, 3)}, kPixels, counts).empty());
  EXPECT_TRUE(ground_one({box(0, 0, 1e9, 1e9), box(-1e300, 0, 50, 50)}, kPixels, counts).empty())
      << "clamped, these would cover the image";
  EXPECT_EQ(counts.boxes_dropped, 6);
}

TEST(PhraseGroundingTest, ScoresComeOutBetweenZeroAndOne) {
  struct Case {
    std::optional<double> given;
    double score;
  };
  for (const Case& c :
       {Case{{}, 0.9}, Case{0.5, 0.5}, Case{85, 0.85}, Case{-1, 0}, Case{1, 1},
        Case{0.123456, 0.1235}, Case{1000, 1}, Case{1.0001, 1}, Case{1.5, 1}, Case{2, 0.02}}) {
    LabelCounts counts;
    const auto out = ground_one({box(1, 1, 20, 20, c.given)}, kPixels, counts);
    EXPECT_EQ(out.at(0).score, c.score) << c.given.value_or(-99);
  }
}

TEST(PhraseGroundingTest, MergesNearDuplicatesAndKeepsTheHigherScore) {
  LabelCounts counts;
  const auto out = ground_one(
      {box(0, 0, 100, 50, 0.5), box(0, 0, 100, 49, 0.8), box(0, 0, 20, 20, 0.6)}, kPixels, counts);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].score, 0.8);
  EXPECT_EQ(out[0].bbox, (BoundingBox{0, 0, 100, 49}));
  EXPECT_EQ(counts.boxes_merged, 1);
  const GroundingRules never{0, 0};
  EXPECT_EQ(ground_one({box(1, 1, 9, 9), box(1, 1, 9, 9)}, kPixels, counts, never).size(), 2u);
}

TEST(PhraseGroundingTest, NoMoreInstancesThanThePromptAllows) {
  std::vector<RawBox> boxes;
  for (int i = 0; i < 14; ++i) boxes.push_back(box(i * 7, 0, i * 7 + 5, 5, 0.5 + i * 0.01));
  LabelCounts counts;
  EXPECT_EQ(ground_one(boxes, kPixels, counts).size(), 10u);
  EXPECT_EQ(counts.boxes_beyond_limit, 4);
}

TEST(PhraseGroundingTest, IntersectionOverUnion) {
  EXPECT_DOUBLE_EQ(intersection_over_union(BoundingBox{0, 0, 10, 10}, BoundingBox{0, 0, 10, 10}),
                   1);
  EXPECT_DOUBLE_EQ(intersection_over_union(BoundingBox{0, 0, 10, 10}, BoundingBox{5, 0, 15, 10}),
                   1.0 / 3);
  EXPECT_DOUBLE_EQ(intersection_over_union(BoundingBox{0, 0, 10, 10}, BoundingBox{10, 10, 20, 20}),
                   0);
}

}  // namespace
}  // namespace alig
