#include "auto_label_image_grounding/evaluation/phrase_score.h"

#include <gtest/gtest.h>

#include "auto_label_image_grounding/evaluation/box_matching.h"

namespace alig {
namespace {

TruthPhrase phrase(std::string text, std::vector<EvaluationBox> boxes,
                   std::optional<CharSpan> span = {}) {
  return {std::move(text), std::move(boxes), {}, span};
}

PredictedExpression expression(std::string text, std::vector<EvaluationBox> boxes,
                               std::optional<CharSpan> span = {}) {
  PredictedExpression out{std::move(text), span, std::move(boxes), {}};
  out.scores.assign(out.boxes.size(), 0.9);
  return out;
}

RecordScore score(std::vector<TruthPhrase> truth, std::vector<PredictedExpression> found,
                  const std::string& cleaned = "a dog and a dog") {
  return score_record({"a.jpg", "a dog and a dog", std::move(truth)},
                      {"a.jpg", "a dog and a dog", cleaned, std::move(found), {}});
}

TEST(BoxMatchingTest, TheBestPairFirstAndEachBoxOnce) {
  const std::vector<EvaluationBox> truth = {{0, 0, 10, 10}, {0, 0, 10, 12}};
  const auto pairs = match_boxes(truth, {{0, 0, 10, 11.9}, {0, 0, 10, 8}, {50, 50, 60, 60}});
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[0].truth, 1u);
  EXPECT_EQ(pairs[0].predicted, 0u);
  EXPECT_EQ(pairs[1].truth, 0u);
  EXPECT_EQ(pairs[1].predicted, 1u);
  EXPECT_DOUBLE_EQ(pairs[1].iou, 0.8);
  EXPECT_TRUE(match_boxes(truth, {}).empty());
  EXPECT_TRUE(match_boxes({}, truth).empty());
}

TEST(PhraseScoreTest, BoxesByHand) {
  // Two of three boxes are found, at IoU 1 and 0.8; one prediction is beside everything.
  const auto out = score({phrase("a dog", {{0, 0, 10, 10}, {20, 0, 30, 10}, {90, 0, 99, 9}})},
                         {expression("A dog", {{0, 0, 10, 10}, {20, 0, 30, 8}, {50, 50, 60, 60}})});
  ASSERT_EQ(out.phrases.size(), 1u);
  const PhraseScore& one = out.phrases[0];
  EXPECT_TRUE(one.expression);
  EXPECT_EQ(one.truth_boxes, 3);
  EXPECT_EQ(one.predicted_boxes, 3);
  EXPECT_EQ(one.matched, 2);
  EXPECT_EQ(one.matched_at, (std::array<std::int64_t, 3>{2, 2, 1}));
  EXPECT_DOUBLE_EQ(one.sum_iou, 1.8);
  EXPECT_DOUBLE_EQ(one.mean_iou(), 0.6);
}

TEST(PhraseScoreTest, PhrasesMeetExpressionsByTheirWords) {
  struct Case {
    const char* phrase;
    const char* text;
    bool same;
  };
  for (const Case& c : {Case{"a red car", "The red car", true},
                        Case{"a red car", "red  CAR.", true}, Case{"café", "cafe\u0301", true},
                        Case{"a red car", "car", false}, Case{"two dogs", "dogs", false}}) {
    const auto out =
        score({phrase(c.phrase, {{0, 0, 1, 1}})}, {expression(c.text, {{0, 0, 1, 1}})});
    EXPECT_EQ(out.phrases[0].expression.has_value(), c.same) << c.phrase << " / " << c.text;
    EXPECT_EQ(out.unjudged_boxes, c.same ? 0 : 1) << c.phrase << " / " << c.text;
  }
}

TEST(PhraseScoreTest, SpansTellEqualPhrasesApart) {
  const std::vector<TruthPhrase> truth = {phrase("a dog", {{0, 0, 10, 10}}, CharSpan{0, 5}),
                                          phrase("a dog", {{50, 0, 60, 10}}, CharSpan{10, 15})};
  const std::vector<PredictedExpression> swapped = {
      expression("a dog", {{50, 0, 60, 10}}, CharSpan{10, 15}),
      expression("a dog", {{0, 0, 10, 10}}, CharSpan{0, 5})};
  const auto out = score(truth, swapped);
  EXPECT_DOUBLE_EQ(out.phrases[0].mean_iou(), 1);
  EXPECT_DOUBLE_EQ(out.phrases[1].mean_iou(), 1);
  EXPECT_EQ(out.phrases[0].span_agrees, true);
  EXPECT_EQ(out.phrases[0].expression, 1u);
  EXPECT_EQ(out.phrases[1].expression, 0u);
  // Positions in another text compare with nothing.
  const auto other = score(truth, swapped, "A dog, and a dog.");
  EXPECT_DOUBLE_EQ(other.phrases[0].mean_iou(), 0) << "in the order of the lists";
  EXPECT_EQ(other.phrases[0].span_agrees, std::nullopt);
}

TEST(PhraseScoreTest, TheBestScoredBoxPoints) {
  PredictedExpression two = expression("a dog", {{0, 0, 10, 10}, {40, 40, 60, 60}});
  two.scores = {0.5, 0.8};
  EXPECT_EQ(score({phrase("a dog", {{45, 45, 100, 100}})}, {two}).phrases[0].points_at_it, true);
  EXPECT_EQ(score({phrase("a dog", {{0, 0, 10, 10}})}, {two}).phrases[0].points_at_it, false);
  EXPECT_EQ(score({phrase("a dog", {{0, 0, 10, 10}})}, {}).phrases[0].points_at_it, false);
  EXPECT_EQ(score({phrase("a dog", {})}, {two}).phrases[0].points_at_it, std::nullopt);
}

TEST(PhraseScoreTest, WhatIsNotToBeSeen) {
  const auto right = score({phrase("a dog", {})}, {expression("a dog", {})});
  EXPECT_DOUBLE_EQ(right.phrases[0].mean_iou(), 1);
  const auto wrong = score({phrase("a dog", {})}, {expression("a dog", {{0, 0, 1, 1}})});
  EXPECT_DOUBLE_EQ(wrong.phrases[0].mean_iou(), 0);
  EXPECT_EQ(wrong.phrases[0].predicted_boxes, 1);
}

TEST(PhraseScoreTest, BoxesInsideACrowdAreNotWrong) {
  TruthPhrase truth = phrase("a dog", {{0, 0, 10, 10}});
  truth.crowds = {{100, 0, 200, 100}};
  const auto out =
      score({truth}, {expression("a dog", {{0, 0, 10, 10}, {110, 10, 120, 20}, {300, 0, 310, 9}})});
  EXPECT_EQ(out.phrases[0].predicted_boxes, 2);
}

TEST(PhraseScoreTest, SpansMustHoldTheirWords) {
  const auto out =
      score({}, {expression("A Dog", {}, CharSpan{0, 5}), expression("a dog", {}, CharSpan{1, 6}),
                 expression("a dog", {}, CharSpan{10, 99}), expression("a dog", {}, CharSpan{5, 0}),
                 expression("cat", {})});
  EXPECT_EQ(out.spans, 4);
  EXPECT_EQ(out.null_spans, 1);
  EXPECT_EQ(out.false_spans.size(), 3u);
}

TEST(PhraseScoreTest, SpansCountCodePoints) {
  const RecordScore out =
      score_record({"a.jpg", "x", std::nullopt},
                   {"a.jpg", "x", "Ein 🐕 läuft", {expression("läuft", {}, CharSpan{6, 11})}, {}});
  EXPECT_TRUE(out.false_spans.empty());
  EXPECT_TRUE(out.phrases.empty()) << "nothing is known about this record";
}

}  // namespace
}  // namespace alig
