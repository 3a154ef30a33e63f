#include "auto_label_image_grounding/vlm/prompts.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace alig {
namespace {

TEST(PromptsTest, PlaceholdersAreFilledOnce) {
  const PromptTemplate prompt{"a {caption} b {not_mine} {\"x\": 1} {caption}", ""};
  EXPECT_EQ(fill_extraction_prompt(prompt, "say {caption}"),
            R"(a "say {caption}" b {not_mine} {"x": 1} "say {caption}")");
}

TEST(PromptsTest, BuiltInPromptsLeaveNoPlaceholder) {
  const std::string extraction = fill_extraction_prompt(built_in_extraction_prompt(), "A \"cat\"");
  EXPECT_NE(extraction.find("\nCaption: \"A \\\"cat\\\"\"\n"), std::string::npos);
  const std::string grounding = fill_grounding_prompt(built_in_grounding_prompt(), {"a cat", "猫"},
                                                      {AxisOrder::kYxyx, 1000}, {640, 480});
  EXPECT_NE(
      grounding.find(
          "\nExpressions: [{\"id\": 1, \"text\": \"a cat\"}, {\"id\": 2, \"text\": \"猫\"}]\n"),
      std::string::npos);
  EXPECT_NE(grounding.find("[ymin, xmin, ymax, xmax]"), std::string::npos);
  for (const char* placeholder : {"{caption}", "{expressions}", "{coordinates}"}) {
    EXPECT_EQ((extraction + grounding).find(placeholder), std::string::npos) << placeholder;
  }
}

TEST(PromptsTest, AMissingTemplateIsNamed) {
  const auto prompt = load_prompt("/nowhere/prompt.txt", "{caption}");
  ASSERT_FALSE(prompt);
  EXPECT_NE(prompt.error().message.find("/nowhere/prompt.txt"), std::string::npos);
}

TEST(PromptsTest, SchemasStayInThePortableSubset) {
  const std::string text = extraction_schema().dump() + grounding_schema().dump();
  for (const char* trap :
       {"maxItems", "minItems", "minimum", "maximum", "pattern", "enum", "$ref"}) {
    EXPECT_EQ(text.find(trap), std::string::npos) << trap;
  }
}

}  // namespace
}  // namespace alig
