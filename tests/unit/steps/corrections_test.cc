#include "auto_label_image_grounding/steps/corrections.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

struct Checked {
  std::string text;
  LabelCounts counts;
};

Checked check(const std::string& line, std::int64_t next_id = 0) {
  Checked out;
  Record record = Record::parse(line).value();
  ExpressionIds ids(next_id);
  check_corrections(record, ids, out.counts);
  out.text = record.dump();
  return out;
}

std::string line_of(const std::string& expressions) {
  return R"({"caption": "A cat and the cat.", "cleaned_caption": "A cat and the cat.", "expressions": [)" +
         expressions + "]}";
}

std::string expression(const std::string& text, const std::string& span) {
  return R"({"text": ")" + text + R"(", "expression_id": "expr_00000", "char_span": )" + span +
         R"(, "noun_chunk": "cat"})";
}

TEST(CorrectionsTest, WhatIsTrueStaysToTheByte) {
  for (const char* span : {"[0, 5]", "null"}) {
    const std::string line = line_of(expression("a CAT", span));
    const Checked checked = check(line);
    EXPECT_EQ(checked.text, line);
    EXPECT_EQ(checked.counts.spans_corrected + checked.counts.null_spans, 0) << span;
  }
  // Not at word boundaries, but as somebody wanted it.
  EXPECT_EQ(check(line_of(expression("at", "[3, 5]"))).text, line_of(expression("at", "[3, 5]")));
}

TEST(CorrectionsTest, AFalseSpanIsFoundAgainNearItsPlaceOrBecomesNull) {
  const struct {
    const char *text, *given, *expected;
    int corrected, null;
  } kCases[] = {
      {"cat", "[12, 15]", "[14, 17]", 1, 0}, {"cat", "[0, 3]", "[2, 5]", 1, 0},
      {"dog", "[0, 3]", "null", 0, 1},       {"cat", "[2, 50]", "[2, 5]", 1, 0},
      {"cat", "[5, 2]", "[2, 5]", 1, 0},     {"cat", "[-3, 0]", "[2, 5]", 1, 0},
      {"cat", "\"2-5\"", "[2, 5]", 1, 0},    {"cat", "[2.5, 5]", "[2, 5]", 1, 0},
      {"cat", "[2]", "[2, 5]", 1, 0},
  };
  for (const auto& c : kCases) {
    const Checked checked = check(line_of(expression(c.text, c.given)));
    EXPECT_EQ(checked.text, line_of(expression(c.text, c.expected))) << c.text << c.given;
    EXPECT_EQ(checked.counts.spans_corrected, c.corrected) << c.text << c.given;
    EXPECT_EQ(checked.counts.null_spans, c.null) << c.text << c.given;
  }
}

TEST(CorrectionsTest, AnOccurrenceIsGivenAwayOnce) {
  const Checked checked = check(line_of(
      R"({"text": "cat", "char_span": [2, 5], "noun_chunk": "cat", "expression_id": "a"}, )"
      R"({"text": "cat", "char_span": [1, 4], "noun_chunk": "cat", "expression_id": "b"})"));
  EXPECT_EQ(checked.text,
            line_of(R"({"text": "cat", "char_span": [2, 5], "noun_chunk": "cat", )"
                    R"("expression_id": "a"}, {"text": "cat", "char_span": [14, 17], )"
                    R"("noun_chunk": "cat", "expression_id": "b"})"));
}

TEST(CorrectionsTest, ATrueSpanKeepsItsPlaceWhereverItIsInTheList) {
  const Checked checked = check(line_of(
      R"({"text": "cat", "char_span": [1, 4], "noun_chunk": "cat", "expression_id": "a"}, )"
      R"({"text": "cat", "char_span": [2, 5], "noun_chunk": "cat", "expression_id": "b"}, )"
      R"({"text": "at", "char_span": [15, 17], "noun_chunk": "at", "expression_id": "c"})"));
  EXPECT_EQ(checked.text,
            line_of(R"({"text": "cat", "char_span": [14, 17], "noun_chunk": "cat", )"
                    R"("expression_id": "a"}, {"text": "cat", "char_span": [2, 5], )"
                    R"("noun_chunk": "cat", "expression_id": "b"}, {"text": "at", )"
                    R"("char_span": [15, 17], "noun_chunk": "at", "expression_id": "c"})"));
  EXPECT_EQ(checked.counts.spans_corrected, 1);
}

TEST(CorrectionsTest, WhatWasLeftOutIsFilledIn) {
  const Checked checked =
      check(R"({"caption": " A red cat. ", "expressions": [{"text": "a red cat of mine"}, )"
            R"({"text": "red cat"}]})",
            5);
  EXPECT_EQ(checked.text,
            R"({"caption": " A red cat. ", "expressions": [{"text": "a red cat of mine", )"
            R"("char_span": null, "noun_chunk": "cat", "expression_id": "expr_00005"}, )"
            R"({"text": "red cat", "char_span": [2, 9], "noun_chunk": "cat", )"
            R"("expression_id": "expr_00006"}], "cleaned_caption": "A red cat."})");
  EXPECT_EQ(checked.counts.captions_kept, 1);
  EXPECT_EQ(checked.counts.null_spans, 1);
}

TEST(CorrectionsTest, EveryExpressionHasAUniqueId) {
  ExpressionIds ids(8);
  EXPECT_EQ(ids.claim("expr_00003"), "expr_00003");
  EXPECT_EQ(ids.claim("expr_00007"), "expr_00007");
  EXPECT_EQ(ids.claim("expr_00003"), "expr_00008") << "a copied line";
  EXPECT_EQ(ids.claim(""), "expr_00009");
  EXPECT_EQ(ids.claim("mine"), "mine");
  EXPECT_EQ(ids.claim("mine"), "expr_00010");
  EXPECT_EQ(ids.claim("expr_7"), "expr_7") << "not as ours are written: another one";
  EXPECT_EQ(ids.claim("expr_99999999999999999999"), "expr_99999999999999999999");
  EXPECT_EQ(ids.claim("expr_-0001"), "expr_-0001");
}

}  // namespace
}  // namespace alig
