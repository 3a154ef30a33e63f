#include "auto_label_image_grounding/base/text.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

TEST(TextTest, ValidUtf8) {
  for (const char* text : {"", "plain", "Straße", "猫", "👩‍🚀"})
    EXPECT_TRUE(is_valid_utf8(text)) << text;
  for (const char* text : {"\xff", "\xc3", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "a\xe2\x82"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << text;
    EXPECT_TRUE(is_valid_utf8(scrub_utf8(text))) << text;
  }
}

TEST(TextTest, CodePointsGoThereAndBack) {
  for (const char* text : {"", "a", "é", "猫と犬", "👩‍🚀 flies"}) {
    EXPECT_EQ(to_utf8(to_code_points(text)), text);
  }
  EXPECT_EQ(count_code_points("👩‍🚀"), 3u);
}

TEST(TextTest, LowerCaseKeepsTheLength) {
  const auto lower = [](const char* text) {
    return to_utf8(lower_code_points(to_code_points(text)));
  };
  EXPECT_EQ(lower("ÄÖÜ Straße ΔΟΓΜΑ"), "äöü straße δογμα");
  // Python lowers this letter to two code points; here it stays, so that positions stay true.
  EXPECT_EQ(lower("İ"), "İ");
}

TEST(TextTest, FoldsWhatPeopleCallTheSameWords) {
  EXPECT_EQ(fold_for_comparison("CAFE\u0301"), fold_for_comparison("Café"));
  EXPECT_EQ(fold_for_comparison("ｃａｔ"), "cat");
  EXPECT_NE(fold_for_comparison("cat"), fold_for_comparison("cut"));
}

// Plain ASCII takes a short cut; a letter of another script behind it forces the long way.
TEST(TextTest, FoldsAsciiAsTheLongWayDoes) {
  for (int byte = 0; byte < 0x80; ++byte) {
    const std::string text = std::string("a") + static_cast<char>(byte) + "Z";
    const std::string marker = "猫";
    EXPECT_EQ(fold_for_comparison(text) + marker, fold_for_comparison(text + marker)) << byte;
  }
}

TEST(TextTest, CharactersStartWherePeopleSeeThem) {
  const auto starts = [](const char* text) {
    std::string out;
    for (const bool start : character_starts(to_code_points(text))) out += start ? '|' : '.';
    return out;
  };
  EXPECT_EQ(starts(""), "");
  EXPECT_EQ(starts("ab"), "||");
  EXPECT_EQ(starts("e\u0301か\u3099"), "|.|.");
  EXPECT_EQ(starts("👩‍🚀👍🏽"), "|..|.");
  EXPECT_EQ(starts("🇩🇪🇫🇷"), "|.|.");
}

TEST(TextTest, TrimsUnicodeSpace) {
  EXPECT_EQ(trim(" \t\u3000a b\u00a0\n"), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(trim(""), "");
}

TEST(TextTest, ShortensAtCharacters) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("abcd", 3), "abc…");
  EXPECT_EQ(shorten("ééé", 3), "é…");
}

TEST(TextTest, PercentEncodes) {
  EXPECT_EQ(percent_encode("/a b/\xC3\xA4~.?", "/"), "/a%20b/%C3%A4~.%3F");
  EXPECT_EQ(percent_encode("a+b/c", "", "0123456789abcdef"), "a%2bb%2fc");
}

TEST(TextTest, CountsInWords) {
  EXPECT_EQ(count_of(1, "record"), "1 record");
  EXPECT_EQ(count_of(0, "record"), "0 records");
  EXPECT_EQ(count_of(5000000000, "box"), "5000000000 boxes");
  EXPECT_EQ(count_of(2, "retry"), "2 retries");
  EXPECT_EQ(count_of(2, "key"), "2 keys");
  EXPECT_EQ(count_of(2, "batch"), "2 batches");
}

TEST(TextTest, TheWordThatWasMeant) {
  EXPECT_EQ(closest_word("result", {"records", "results"}, 4), "results");
  EXPECT_EQ(closest_word("result", {"records", "results"}, 1), "");
  EXPECT_EQ(closest_word("x", {}, 9), "");
}

TEST(TextTest, EditDistance) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("max_workers", "max_workers"), 0u);
}

}  // namespace
}  // namespace alig
