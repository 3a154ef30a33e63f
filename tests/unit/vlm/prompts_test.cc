#include "auto_label_image_grounding/vlm/prompts.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/support/temporary_folder.h"

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
  const auto prompt = load_prompt("/nowhere/prompt.txt", extraction_placeholders());
  ASSERT_FALSE(prompt);
  EXPECT_NE(prompt.error().message.find("/nowhere/prompt.txt"), std::string::npos);
}

TEST(PromptsTest, AMisspeltPlaceholderIsNamed) {
  const struct {
    const char *text, *expected;
  } kCases[] = {
      {"{expresions} {coordinates}",
       "{expresions} is none of {expressions}, {coordinates}, {width}, {height} (did you mean "
       "{expressions}?)"},
      {"{expressions} {Coordinates}",
       "{Coordinates} is none of {expressions}, {coordinates}, {width}, {height} (did you mean "
       "{coordinates}?)"},
      {"{expressions} {caption}",
       "{caption} is none of {expressions}, {coordinates}, {width}, {height}"},
      {"{expressions} {\"bbox\": [1]} {text} {} {not_mine} { width } {{", ""},
      {"{expressions} {width}", ""},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(misspelt_placeholder(c.text, grounding_placeholders()), c.expected) << c.text;
  }
  TemporaryFolder folder;
  write_text(folder / "p.txt", "Look at {captoin}.");
  const auto prompt = load_prompt((folder / "p.txt").string(), extraction_placeholders());
  ASSERT_FALSE(prompt);
  EXPECT_NE(prompt.error().message.find("did you mean {caption}?"), std::string::npos)
      << prompt.error().message;
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
