#include "auto_label_image_grounding/steps/expression_extraction.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

parse::ExtractedExpression extracted(const char* text, const char* noun = "") {
  parse::ExtractedExpression out;
  out.text = text;
  out.noun_chunk = noun;
  return out;
}

TEST(ExpressionExtractionTest, SpansAreTrueWhateverTheModelCounts) {
  parse::ExtractionAnswer answer;
  answer.cleaned_caption = " A red car next to a tree. ";
  answer.expressions = {extracted("A red car", "car"), extracted("a tree")};
  answer.expressions[0].span_hint = {{5, 7}};
  LabelCounts counts;
  const ExtractionResult result = apply_extraction("a red car", answer, counts);
  EXPECT_EQ(result.cleaned_caption, "A red car next to a tree.");
  ASSERT_EQ(result.expressions.size(), 2u);
  EXPECT_EQ(result.expressions[0].char_span, (CharSpan{0, 9}));
  EXPECT_EQ(result.expressions[1].char_span, (CharSpan{18, 24}));
  EXPECT_EQ(result.expressions[1].noun_chunk, "tree");
  EXPECT_EQ(counts.null_spans, 0);
}

TEST(ExpressionExtractionTest, CountsWhatItCannotUse) {
  parse::ExtractionAnswer answer;
  answer.expressions = {extracted("a dog"), extracted("a dog"), extracted("a unicorn"),
                        extracted("a unicorn"), extracted("  ")};
  answer.unusable_expressions = 2;
  LabelCounts counts;
  const ExtractionResult result = apply_extraction(" a dog sits ", answer, counts);
  EXPECT_EQ(result.cleaned_caption, "a dog sits") << "the given caption stays";
  ASSERT_EQ(result.expressions.size(), 2u);
  EXPECT_EQ(result.expressions[1].text, "a unicorn");
  EXPECT_EQ(result.expressions[1].char_span, std::nullopt);
  EXPECT_EQ(counts.captions_kept, 1);
  EXPECT_EQ(counts.duplicate_expressions, 2);
  EXPECT_EQ(counts.null_spans, 1);
  EXPECT_EQ(counts.unusable_expressions, 3);
}

TEST(ExpressionExtractionTest, LetterCaseMakesNoNewExpression) {
  parse::ExtractionAnswer answer;
  answer.expressions = {extracted("a dog"), extracted("A dog")};
  LabelCounts counts;
  EXPECT_EQ(apply_extraction("A dog sits", answer, counts).expressions.size(), 1u);
  EXPECT_EQ(counts.duplicate_expressions, 1);
}

TEST(ExpressionExtractionTest, ANounOutsideItsExpressionIsReplaced) {
  parse::ExtractionAnswer answer;
  answer.cleaned_caption = "A man in a hat.";
  answer.expressions = {extracted("A man in a hat", "woman")};
  LabelCounts counts;
  EXPECT_EQ(apply_extraction("", answer, counts).expressions[0].noun_chunk, "man");
}

TEST(ExpressionExtractionTest, HeadNouns) {
  struct Case {
    const char* text;
    const char* head;
  };
  for (const Case& c :
       {Case{"a red car", "car"}, Case{"the man in a hat", "man"}, Case{"dog", "dog"},
        Case{"a big, brown dog", "dog"}, Case{"a dog, a cat", "dog"},
        Case{"a man, wearing a hat", "man"}, Case{"people sitting on a bench.", "people"},
        Case{"in", "in"}, Case{"猫", "猫"}, Case{"cars that shine", "cars"}}) {
    EXPECT_EQ(head_noun(c.text), c.head) << c.text;
  }
}

TEST(ExpressionExtractionTest, CheckSpansCorrectsForeignOnes) {
  ExtractionResult result{
      "A cat and a dog.", {{"a dog", CharSpan{0, 5}, ""}, {"cow", CharSpan{2, 5}, "cow"}}, {}};
  LabelCounts counts;
  check_spans(result, counts);
  EXPECT_EQ(result.expressions[0].char_span, (CharSpan{10, 15}));
  EXPECT_EQ(result.expressions[0].noun_chunk, "dog");
  EXPECT_EQ(result.expressions[1].char_span, std::nullopt);
  EXPECT_EQ(counts.null_spans, 1);
}

}  // namespace
}  // namespace alig
