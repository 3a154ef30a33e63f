#include "auto_label_image_grounding/parse/extraction_answer.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "render_answer.h"

namespace alig::parse {
namespace {

using ::testing::HasSubstr;

struct ExtractionCase {
  std::string name;
  std::string text;
  std::string expected;  // see render_extraction()
  std::string repairs;
};

const std::vector<ExtractionCase>& cases() {
  static const std::vector<ExtractionCase> kCases = {
      {"asked shape",
       R"({"cleaned_caption":"A man walks his dog.","expressions":[{"text":"A man","char_span":[0,5],"noun_chunk":"man"},{"text":"his dog","char_span":[12,19],"noun_chunk":"dog"}]})",
       "A man walks his dog. => A man(0-5)/man | his dog(12-19)/dog", ""},
      {"no expressions", R"({"cleaned_caption":"A view.","expressions":[]})", "A view. => ", ""},
      {"expressions null", R"({"cleaned_caption":"A view.","expressions":null})", "A view. => ",
       ""},
      {"empty list", "[]", "", ""},
      {"empty object", "{}", "", ""},
      {"bare list", R"([{"text":"a man","char_span":[0,5]}])", "a man(0-5)", ""},
      {"list of strings", R"(["a man","his dog"])", "a man | his dog", ""},
      {"expressions as strings", R"({"expressions":["a man","his dog"]})", "a man | his dog", ""},
      {"phrases", R"({"phrases":[{"phrase":"a man","span":[0,5],"noun":"man"}]})", "a man(0-5)/man",
       ""},
      {"referring expressions",
       R"({"referring_expressions":[{"referring_expression":"a man","head":"man"}]})", "a man/man",
       ""},
      {"expression key", R"([{"expression":"a man"}])", "a man", ""},
      {"start and end", R"([{"text":"a man","start":0,"end":5}])", "a man(0-5)", ""},
      {"span as object", R"([{"text":"a man","span":{"start":0,"end":5}}])", "a man(0-5)", ""},
      {"span as text", R"([{"text":"a man","char_span":"[0, 5]"},{"text":"b","char_span":"2-3"}])",
       "a man(0-5) | b(2-3)", ""},
      {"span of texts", R"([{"text":"a man","char_span":["0","5"]}])", "a man(0-5)", ""},
      {"span of floats", R"([{"text":"a man","char_span":[0.0,5.0]}])", "a man(0-5)", ""},
      {"span list", R"([{"text":"a man","spans":[[0,5]]}])", "a man(0-5)", ""},
      {"useless spans",
       R"([{"text":"a","span":[5,5]},{"text":"b","span":[-1,3]},{"text":"c","span":[1]},{"text":"d","span":null},{"text":"e","span":[0.5,2]},{"text":"f","span":"somewhere"}])",
       "a | b | c | d | e | f", ""},
      {"keyed by expression",
       R"({"a man":{"char_span":[0,5],"noun_chunk":"man"},"his dog":[6,13]})",
       "a man(0-5)/man | his dog(6-13)", ""},
      {"keyed below expressions", R"({"expressions":{"a man":"man","his dog":null}})",
       "a man/man | his dog", ""},
      {"list of single pairs", R"([{"a man":{"noun":"man"}},{"his dog":[6,13]}])",
       "a man/man | his dog(6-13)", ""},
      {"tuples", R"([["a man",[0,5],"man"]])", "a man(0-5)/man", ""},
      {"ndjson", "{\"text\":\"a man\",\"char_span\":[0,5]}\n{\"text\":\"his dog\"}",
       "a man(0-5) | his dog", "several_blocks"},
      {"one bare expression", R"({"text":"a man","noun_chunk":"man"})", "a man/man", ""},
      {"wrapped", R"({"result":{"cleaned_caption":"A man.","expressions":["A man"]}})",
       "A man. => A man", ""},
      {"other caption key", R"({"caption":"A man.","expressions":["A man"]})", "A man. => A man",
       ""},
      {"cleaned before other caption",
       R"({"caption":"a mann","cleaned_caption":"A man","expressions":[]})", "A man => ", ""},
      {"empty caption", R"({"cleaned_caption":" ","expressions":["a man"]})", "a man", ""},
      {"without a text",
       R"({"expressions":[{"char_span":[0,5]},{"text":""},{"text":3},5,null,{"text":"a man"}]})",
       "a man !5", ""},
      {"repeated expressions", R"({"expressions":["a man","a man"]})", "a man | a man", ""},
      {"fence and prose",
       "Here:\n```json\n{\"cleaned_caption\":\"A man.\",\"expressions\":[{\"text\":\"A "
       "man\"}]}\n```\nDone.",
       "A man. => A man", "code_fence,prose"},
      {"thinking", R"(<think>{"expressions":["decoy"]}</think>{"expressions":["a man"]})", "a man",
       "reasoning"},
      {"answer tag", R"(<answer>{"expressions":["a man"]}</answer>)", "a man", "answer_tag"},
      {"best block",
       R"(["a","b"] and {"cleaned_caption":"A man.","expressions":["A man"]} and ["c"])",
       "A man. => A man", "prose,several_blocks"},
      {"last of equals", "{\"expressions\":[\"draft\"]}\nBetter:\n{\"expressions\":[\"a man\"]}",
       "a man", "prose,several_blocks"},
      {"quotes in the text",
       R"({"cleaned_caption":"The "stop" sign","expressions":[{"text":"The "stop" sign"}]})",
       R"(The "stop" sign => The "stop" sign)", "unescaped_quote"},
      {"python",
       "{'cleaned_caption': None, 'expressions': [{'text': 'the man's hat', 'char_span': (0, "
       "13)}]}",
       "the man's hat(0-13)", "python_literal,single_quotes,tuple,unescaped_quote"},
      {"other scripts", R"({"expressions":[{"text":"红色的汽车","char_span":[0,5]}]})",
       "红色的汽车(0-5)", ""},
      {"cut in an expression",
       R"({"cleaned_caption":"A man.","expressions":[{"text":"A man","char_span":[0,5]},{"text":"his d)",
       "A man. => A man(0-5) ...", "truncated"},
      {"cut in a span", R"({"expressions":[{"text":"A man","char_span":[0,5)", "...", "truncated"},
      {"cut in a string of a list", R"(["a man","his do)", "a man ...", "truncated"},
      {"cut before the list", R"({"cleaned_caption":"A man.")", "error", ""},
      {"caption without expressions", R"({"cleaned_caption":"A man."})", "error", ""},
      {"other JSON", R"({"error":"overloaded"})", "error", ""},
      {"numbers", "[1,2,3]", "error", ""},
      {"prose", "The caption speaks of a man.", "error", ""},
      {"empty", "", "error", ""},
      {"only thinking", R"(<think>{"expressions":["decoy"]})", "error", ""},
  };
  return kCases;
}

TEST(ExtractionAnswer, ReadsEveryShape) {
  for (const ExtractionCase& c : cases()) {
    SCOPED_TRACE(c.name + ": " + c.text);
    EXPECT_EQ(render_extraction(c.text), c.expected);
    const auto answer = read_extraction_answer(c.text);
    EXPECT_EQ(answer ? render_repairs(answer->repairs) : "", c.repairs);
  }
}

TEST(ExtractionAnswer, PrefixesHoldCompleteExpressionsAlone) {
  const std::string text =
      R"({"cleaned_caption":"A man, his dog.","expressions":[{"text":"A man","char_span":[0,5],"noun_chunk":"man"},{"text":"his dog","char_span":[7,14],"noun_chunk":"dog"}]})";
  const auto whole = read_extraction_answer(text);
  ASSERT_TRUE(whole.has_value());
  std::size_t most = 0;
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto part = read_extraction_answer(text.substr(0, length));
    if (!part) continue;
    SCOPED_TRACE(text.substr(0, length));
    EXPECT_TRUE(part->truncated);
    ASSERT_LE(part->expressions.size(), whole->expressions.size());
    for (std::size_t i = 0; i < part->expressions.size(); ++i) {
      EXPECT_EQ(part->expressions[i].text, whole->expressions[i].text);
      EXPECT_EQ(part->expressions[i].span_hint, whole->expressions[i].span_hint);
      EXPECT_EQ(part->expressions[i].noun_chunk, whole->expressions[i].noun_chunk);
    }
    most = std::max(most, part->expressions.size());
  }
  EXPECT_EQ(most, 2u);
}

TEST(ExtractionAnswer, EveryPrefixOfEveryCaseIsReadOrRefused) {
  for (const ExtractionCase& c : cases()) {
    for (std::size_t length = 0; length <= c.text.size(); ++length) {
      const auto part = read_extraction_answer(c.text.substr(0, length));
      if (!part) {
        EXPECT_EQ(part.error().kind, ErrorKind::kData) << c.text.substr(0, length);
        continue;
      }
      for (const ExtractedExpression& expression : part->expressions) {
        EXPECT_FALSE(expression.text.empty()) << c.text.substr(0, length);
      }
    }
  }
}

TEST(ExtractionAnswer, ErrorsSayWhatWasFound) {
  struct Row {
    std::string text;
    std::string message;
  };
  const std::vector<Row> rows = {
      {"", "the answer is empty"},
      {"<think>hm", "ends inside its reasoning"},
      {"I see a man.", "holds no JSON: \"I see a man.\""},
      {R"({"cleaned_caption":"A man."})", "holds no list of expressions"},
  };
  for (const Row& row : rows) {
    const auto answer = read_extraction_answer(row.text);
    ASSERT_FALSE(answer.has_value()) << row.text;
    EXPECT_EQ(answer.error().kind, ErrorKind::kData);
    EXPECT_THAT(answer.error().message, HasSubstr(row.message));
  }
}

}  // namespace
}  // namespace alig::parse
