#include "auto_label_image_grounding/parse/number_text.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "auto_label_image_grounding/parse/grounding_draft.h"

namespace alig::parse {
namespace {

using ::testing::ElementsAre;

TEST(NumberText, ScansTheLongestNumber) {
  struct Row {
    std::string text;
    std::size_t length;
    double value;
    bool strict;
  };
  const std::vector<Row> rows = {
      {"12", 2, 12, true},      {"-3.5", 4, -3.5, true}, {"1e3", 3, 1000, true},
      {"1E-2x", 4, 0.01, true}, {"+1", 2, 1, false},     {".5", 2, 0.5, false},
      {"5.", 2, 5, false},      {"007", 3, 7, false},    {"0", 1, 0, true},
      {"12px", 2, 12, true},    {"1e", 1, 1, true},      {"1.2.3", 3, 1.2, true},
  };
  for (const Row& row : rows) {
    const auto token = scan_number(row.text);
    ASSERT_TRUE(token.has_value()) << row.text;
    EXPECT_EQ(token->length, row.length) << row.text;
    EXPECT_DOUBLE_EQ(token->value, row.value) << row.text;
    EXPECT_EQ(token->strict, row.strict) << row.text;
  }
  for (const char* text : {"", "-", ".", "+.", "e5", "x1", "--1"}) {
    EXPECT_FALSE(scan_number(text).has_value()) << text;
  }
}

TEST(NumberText, ReadsScores) {
  struct Row {
    std::string text;
    std::optional<double> score;
  };
  const std::vector<Row> rows = {{"0.9", 0.9},           {" 85 % ", 0.85},   {"85", 85.0},
                                 {"high", std::nullopt}, {"", std::nullopt}, {"%", std::nullopt},
                                 {"1e999", std::nullopt}};
  for (const Row& row : rows) EXPECT_EQ(score_from_text(row.text), row.score) << row.text;
}

TEST(NumberText, GroupsByBrackets) {
  const NumberGroups numbers = read_number_groups("(1,2),(3, 4) 5");
  ASSERT_EQ(numbers.groups.size(), 3u);
  EXPECT_THAT(numbers.groups[0].values, ElementsAre(1, 2));
  EXPECT_THAT(numbers.groups[1].values, ElementsAre(3, 4));
  EXPECT_TRUE(numbers.groups[1].bracketed);
  EXPECT_FALSE(numbers.groups[2].bracketed);
  EXPECT_FALSE(numbers.other_text);
  EXPECT_TRUE(read_number_groups("x1=10").other_text);
}

TEST(NumberText, KnowsRectanglesInBothAxisOrders) {
  const std::vector<double> xy = {10, 20, 30, 20, 30, 40, 10, 40};
  const std::vector<double> yx = {20, 10, 20, 30, 40, 30, 40, 10};
  EXPECT_EQ(rectangle_of_corners(xy), (std::array<double, 4>{10, 20, 30, 40}));
  EXPECT_EQ(rectangle_of_corners(yx), (std::array<double, 4>{20, 10, 40, 30}));
  EXPECT_FALSE(rectangle_of_corners({10, 20, 30, 20, 31, 40, 10, 40}).has_value());
  EXPECT_FALSE(rectangle_of_corners({1, 2, 3, 4}).has_value());
}

}  // namespace
}  // namespace alig::parse
