#include "auto_label_image_grounding/steps/spans.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

using Hint = std::optional<std::pair<std::int64_t, std::int64_t>>;

struct Case {
  const char* caption;
  const char* text;
  Hint hint;
  std::optional<CharSpan> span;
};

TEST(SpansTest, FindsTrueSpansOrNone) {
  const Case cases[] = {
      {"A red car.", "red car", {}, CharSpan{2, 9}},
      {"A red car.", "RED Car", {{7, 9}}, CharSpan{2, 9}},
      {"A red car.", "blue car", {}, {}},
      {"A red car.", "", {}, {}},
      {"A red car.", "A red car. And more", {}, {}},
      {"", "a", {}, {}},
      // The occurrence nearest to the hint.
      {"a dog and a dog", "a dog", {}, CharSpan{0, 5}},
      {"a dog and a dog", "a dog", {{9, 14}}, CharSpan{10, 15}},
      {"a dog and a dog", "a dog", {{4, 9}}, CharSpan{0, 5}},
      {"a dog and a dog", "a dog", {{-100, 3}}, CharSpan{0, 5}},
      {"a dog and a dog", "a dog", {{999, 3}}, CharSpan{10, 15}},
      {"a dog and a dog", "a dog", {{INT64_MIN, INT64_MAX}}, CharSpan{0, 5}},
      {"a dog and a dog", "a dog", {{INT64_MAX, INT64_MIN}}, CharSpan{10, 15}},
      // No part of a word.
      {"a category of art in a party", "cat", {}, {}},
      {"a party with art", "art", {}, CharSpan{13, 16}},
      {"two cats", "cat", {}, {}},
      {"T-shirt", "shirt", {}, CharSpan{2, 7}},
      // Code points, not bytes.
      {"Ein größerer Hund", "hund", {}, CharSpan{13, 17}},
      {"😀 a cat", "a cat", {}, CharSpan{2, 7}},
      {"黒い猫と白い犬", "猫", {}, CharSpan{2, 3}},
      {"黒い猫と白い犬", "白い犬", {}, CharSpan{4, 7}},
      // Combining characters stay whole: "cafe" does not stand in "café" written with U+0301.
      {"a cafe\u0301", "cafe", {}, {}},
      {"a cafe\u0301", "cafe\u0301", {}, CharSpan{2, 7}},
      {"👩‍🚀 waves", "👩", {}, {}},
      {"か\u3099 か", "か", {}, CharSpan{3, 4}},
      {"🇩🇪🇫🇷 🇪🇫", "🇪🇫", {}, CharSpan{5, 7}},
      {"🇩🇪🇫🇷", "🇫🇷", {}, CharSpan{2, 4}},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(SpanFinder(c.caption).take(c.text, c.hint), c.span) << c.caption << " / " << c.text;
  }
}

TEST(SpansTest, TheSamePhraseTwiceGetsTwoSpans) {
  SpanFinder finder("a dog and a dog");
  EXPECT_EQ(finder.take("a dog", Hint{{10, 15}}), (CharSpan{10, 15}));
  EXPECT_EQ(finder.take("a dog", Hint{{10, 15}}), (CharSpan{0, 5}));
  EXPECT_EQ(finder.take("a dog", Hint{{10, 15}}), std::nullopt);
  EXPECT_EQ(finder.take("dog", Hint{{12, 15}}), (CharSpan{12, 15})) << "another text may overlap";
}

}  // namespace
}  // namespace alig
