#include "auto_label_image_grounding/data/char_span.h"

#include <gtest/gtest.h>

#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

bool is_true(CharSpan span, const char* text) {
  static const auto caption = lower_code_points(to_code_points("Ein Bär, a Cat."));
  return is_true_span(span, caption, text);
}

TEST(CharSpanTest, CountsCodePointsAndIgnoresLetterCase) {
  EXPECT_TRUE(is_true({4, 7}, "bär"));
  EXPECT_TRUE(is_true({9, 14}, "A CAT"));
  EXPECT_TRUE(is_true({14, 15}, "."));
  EXPECT_FALSE(is_true({4, 8}, "bär")) << "bytes are not counted";
  EXPECT_FALSE(is_true({3, 7}, "bär"));
  EXPECT_FALSE(is_true({4, 7}, "bar"));
}

TEST(CharSpanTest, SpansThatCannotBe) {
  const CharSpan spans[] = {{-1, 2}, {4, 4}, {7, 4}, {12, 16}, {16, 19}, {0, INT64_MAX}};
  for (const CharSpan& span : spans) EXPECT_FALSE(is_true(span, "")) << span.begin;
}

}  // namespace
}  // namespace alig
