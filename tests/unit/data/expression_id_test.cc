#include "auto_label_image_grounding/data/expression_id.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

TEST(ExpressionIdTest, GoesThereAndBack) {
  for (const std::int64_t number : {0, 7, 99'999, 100'000, (1 << 28) - 1}) {
    EXPECT_EQ(expression_number(expression_id(number)), number) << number;
  }
  EXPECT_EQ(expression_id(7), "expr_00007");
}

TEST(ExpressionIdTest, OtherIdsHaveNoNumber) {
  for (const char* id :
       {"", "expr_", "expr_7", "expr_00007x", "expr_-0001", "expr_000007", "Expr_00007",
        "box_00007", "expr_268435456", "expr_99999999999999999999"}) {
    EXPECT_EQ(expression_number(id), std::nullopt) << id;
  }
}

}  // namespace
}  // namespace alig
