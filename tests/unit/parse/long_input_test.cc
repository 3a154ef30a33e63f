// Inputs on which a careless reader recurses without end or looks at the same text again and again.
// Nothing is timed: a reader that is not linear runs into ctest's timeout.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "auto_label_image_grounding/parse/extraction_answer.h"
#include "auto_label_image_grounding/parse/grounding_answer.h"
#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {
namespace {

constexpr std::size_t kBytes = 1 << 20;
constexpr std::size_t kFewerBytes = 1 << 18;

std::string repeated(const std::string& front, const std::string& unit, std::size_t bytes) {
  std::string out = front;
  while (out.size() < bytes) out += unit;
  return out;
}

class LongInputOf : public ::testing::TestWithParam<const char*> {};

TEST_P(LongInputOf, IsReadToItsEnd) {
  const std::string unit = GetParam();
  for (const std::string front : {"", "[\"", "[{\"label\": \""}) {
    const std::string text = repeated(front, unit, kFewerBytes);
    SCOPED_TRACE(text.substr(0, 60));
    const LenientJson json = read_lenient_json(text);
    std::size_t previous = 0;
    for (const JsonBlock& block : json.blocks) {
      ASSERT_LE(previous, block.begin);
      ASSERT_LT(block.begin, block.end);
      ASSERT_LE(block.end, text.size());
      previous = block.end;
    }
    const auto grounding = read_grounding_answer(text);
    EXPECT_LT(grounding ? 0 : grounding.error().message.size(), 500u);
    const auto extraction = read_extraction_answer(text);
    EXPECT_LT(extraction ? 0 : extraction.error().message.size(), 500u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Units, LongInputOf,
    ::testing::Values("[", "{", "(", "]", "{\"a\":", "{'a': ", "[\"a\" ", "\"", "'", "\\", "\\\"",
                      "{\\\"", "\\n", "<", "<think>", "</think>", "<answer>", "<box>", "<box>(1,2)",
                      "<ref>a</ref>", "<loc_1>", "<loc0001>", "<patch_index_0001>",
                      "(1,2)<|box_end|>", "[1,2,3,4]", "dog: [1,2,3,4] ", "[] ", "{}", "[a ",
                      "[a\n", "{a:", "[1", "1", "[.", "[-", "[}", "{]", "/*", "[//\n", "#", "a",
                      " ", "\n", "[\n", ", ", "[, ", "```json\n", "[...", "{\"bbox\":\"{", "\xff",
                      "[\xff", "{\"a\":\"\n"));

TEST(LongInput, AMegabyteOfEachIsRefusedOrCut) {
  for (const std::string unit : {"[", "{\"a\":", "\"", "\\", "<"}) {
    const auto answer = read_grounding_answer(repeated("", unit, kBytes));
    EXPECT_TRUE(!answer || (answer->truncated && answer->items.empty())) << unit;
  }
}

TEST(LongInput, DeepNestingIsCutAtTheDepthLimit) {
  const LenientJson json = read_lenient_json(repeated("", "[", kBytes));
  ASSERT_EQ(json.blocks.size(), 1u);
  EXPECT_TRUE(json.blocks[0].truncated);
  EXPECT_EQ(json.blocks[0].open_containers, JsonBuilder::kMaxDepth);
}

TEST(LongInput, AnAnswerBehindAMegabyteOfProseIsFound) {
  const auto answer = read_grounding_answer(repeated("", "so [it goes\n", kBytes) +
                                            R"([{"label":"a","bbox":[1,2,3,4]}])");
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->items.size(), 1u);
  EXPECT_EQ(answer->items[0].label, "a");
}

}  // namespace
}  // namespace alig::parse
