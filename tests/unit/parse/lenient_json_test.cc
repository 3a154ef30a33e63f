#include "auto_label_image_grounding/parse/lenient_json.h"

#include <set>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace alig::parse {
namespace {

// Blocks joined by " & "; "...2" behind one that was cut with two open containers.
std::string render(const LenientJson& json) {
  std::string out;
  for (const JsonBlock& block : json.blocks) {
    if (!out.empty()) out += " & ";
    out += block.value.dump();
    if (block.truncated) out += fmt::format(" ...{}", block.open_containers);
  }
  return out;
}

std::string render(const std::set<Repair>& repairs) {
  std::string out;
  for (const Repair repair : repairs) {
    if (!out.empty()) out += ",";
    out += name_of(repair);
  }
  return out;
}

struct LenientCase {
  std::string name;
  std::string text;
  std::string expected;
  std::string repairs;
};

const std::vector<LenientCase>& cases() {
  static const std::vector<LenientCase> kCases = {
      {"strict object", R"({"a": [1, 2.5, "x", true, null]})", R"({"a":[1,2.5,"x",true,null]})",
       ""},
      {"strict with white space", "  [1]\n", "[1]", ""},
      {"nothing", "no JSON at all", "", "prose"},
      {"empty text", "", "", ""},
      {"fence", "```json\n{\"a\":1}\n```", R"({"a":1})", "code_fence"},
      {"fence without a language", "```\n{\"a\":1}\n```", R"({"a":1})", "code_fence"},
      {"tilde fence", "~~~json\n{\"a\":1}\n~~~", R"({"a":1})", "code_fence"},
      {"fence on one line", R"(```{"a":1}```)", R"({"a":1})", "code_fence"},
      {"unclosed fence", "```json\n{\"a\":1}", R"({"a":1})", "code_fence"},
      {"prose", R"(Sure! {"a":1} Done.)", R"({"a":1})", "prose"},
      {"two blocks", "{\"a\":1}\n{\"b\":2}", R"({"a":1} & {"b":2})", "several_blocks"},
      {"blocks with commas between", "{\"a\":1},\n{\"b\":2}", R"({"a":1} & {"b":2})",
       "several_blocks"},
      {"thinking", R"(<think>{"a":0}</think>{"a":1})", R"({"a":1})", "reasoning"},
      {"thinking without opening", R"({"a":0}</think>{"a":1})", R"({"a":1})", "reasoning"},
      {"thinking left open", R"({"a":1}<think>{"a":0})", R"({"a":1})", "reasoning"},
      {"answer", R"(<answer>{"a":1}</answer>{"a":0})", R"({"a":1})", "answer_tag"},
      {"two answers", R"(<answer>{"a":0}</answer><answer>{"a":1}</answer>)", R"({"a":1})",
       "answer_tag"},
      {"single quotes", "{'a': 'it is'}", R"({"a":"it is"})", "single_quotes"},
      {"apostrophe inside single quotes", "{'a': 'it's here'}", R"({"a":"it's here"})",
       "single_quotes,unescaped_quote"},
      {"escaped apostrophe", R"({'a': 'it\'s'})", R"({"a":"it's"})", "single_quotes"},
      {"python literals", "[None, True, False]", "[null,true,false]", "python_literal"},
      {"tuple", R"({"a": (1, 2)})", R"({"a":[1,2]})", "tuple"},
      {"nested tuples", "[((1, 2), (3, 4))]", "[[[1,2],[3,4]]]", "tuple"},
      {"trailing commas", R"({"a": [1, 2,], })", R"({"a":[1,2]})", "trailing_comma"},
      {"doubled comma", "[1,,2]", "[1,2]", "trailing_comma"},
      {"missing comma between numbers", "[1 2 3]", "[1,2,3]", "missing_comma"},
      {"missing comma between strings", R"(["a" "b"])", R"(["a","b"])", "missing_comma"},
      {"missing comma between pairs", R"({"a": 1 "b": 2})", R"({"a":1,"b":2})", "missing_comma"},
      {"missing comma between objects", R"([{"a":1}{"b":2}])", R"([{"a":1},{"b":2}])",
       "missing_comma"},
      {"missing colon", R"({"a" [1]})", R"({"a":[1]})", "missing_colon"},
      {"line comment", "[1, // one\n 2]", "[1,2]", "comment"},
      {"block comment", "[1, /* two */ 2]", "[1,2]", "comment"},
      {"hash comment", "[1, # one\n 2]", "[1,2]", "comment"},
      {"slashes in a string", R"({"a": "http://b"})", R"({"a":"http://b"})", ""},
      {"unquoted key", "{a: 1}", R"({"a":1})", "unquoted_key"},
      {"unquoted key with blanks", "{a dog: 1}", R"({"a dog":1})", "unquoted_key"},
      {"number as key", "{1: 2}", R"({"1":2})", "unquoted_key"},
      {"unquoted word", R"({"a": some words, "b": 1})", R"({"a":"some words","b":1})",
       "unquoted_text"},
      {"curly quotes", "{“a”: “b”}", R"({"a":"b"})", "unquoted_key,unquoted_text"},
      {"unescaped quotes", R"({"a": "the "big" dog"})", R"({"a":"the \"big\" dog"})",
       "unescaped_quote"},
      {"unescaped quote before a comma", R"({"a": "he said "hi", then left", "b": 1})",
       R"({"a":"he said \"hi\", then left","b":1})", "unescaped_quote"},
      {"quoted word at the end", R"({"a": "the sign "stop"", "b": 1})",
       R"({"a":"the sign \"stop\"","b":1})", "unescaped_quote"},
      {"raw line end", "{\"a\": \"b\nc\"}", R"({"a":"b\nc"})", "control_in_string"},
      {"raw tab", "{\"a\": \"b\tc\"}", R"({"a":"b\tc"})", "control_in_string"},
      {"missing closing quote", "{\"a\": \"b,\n \"c\": 1}", R"({"a":"b","c":1})",
       "missing_comma,unclosed_string"},
      {"bad escape", R"({"a": "\d"})", R"({"a":"\\d"})", "bad_escape"},
      {"unicode escape", R"({'a': '\u00e9\ud83d\ude00'})", R"({"a":"é😀"})", "single_quotes"},
      {"half a surrogate pair", R"({'a': '\ud83d'})", R"({"a":"�"})", "single_quotes"},
      {"NaN", "[NaN, Infinity, -Infinity, nan, inf]", "[null,null,null,null,null]", "not_finite"},
      {"overflow", "[1e999, 1]", "[null,1]", "not_finite"},
      {"integer beyond 64 bits", "[123456789012345678901234567890]", "[1.2345678901234568e+29]",
       ""},
      {"number formats", "[+1, .5, 5., 007]", "[1,0.5,5.0,7]", "number_format"},
      {"not a number", "[12px, 1.2.3]", R"(["12px","1.2.3"])", "unquoted_text"},
      {"repeated keys", R"({"a": 1, "a": 2})", R"({"a":1,"a":2})", "duplicate_key"},
      {"escaped object", R"({\"a\": \"b\"})", R"({"a":"b"})", "escaped_json"},
      {"JSON string", R"("{\"a\": \"b \\\"c\\\"\"}")", R"({"a":"b \"c\""})", "escaped_json"},
      {"escaped line ends", R"({\n \"a\": 1\n})", R"({"a":1})", "escaped_json"},
      {"missing bracket", R"({"a": [1, 2})", R"({"a":[1,2]})", "mismatched_bracket"},
      {"too many brackets", R"({"a": 1}}])", R"({"a":1})", "prose"},
      {"wrong bracket", "[1, 2}]", "[1,2]", "mismatched_bracket"},
      {"missing brace in a list", R"([{"a": 1, {"b": 2}])", R"([{"a":1},{"b":2}])",
       "trailing_comma,mismatched_bracket"},
      {"ellipsis", "[1, 2, ...]", "[1,2]", "trailing_comma,junk"},
      {"stars in JSON", R"({"a": 1, ** "b": 2})", R"({"a":1,"b":2})", "junk"},
      {"citation in prose", "as shown [in the figure\nabove] by {him}", "", "prose"},
      {"markdown link", R"(see [the page](http://x) for {"a":1})", R"(["the page"] & {"a":1})",
       "prose,several_blocks,unquoted_text"},
      {"check box", "- [x] done", R"(["x"])", "prose,unquoted_text"},
      {"invalid UTF-8",
       "{\"a\": \"b\xff"
       "\"}",
       R"({"a":"b�"})", "invalid_utf8"},
      {"cut number", "[1, 2, 34", "[1,2] ...1", "truncated"},
      {"cut after a number", "[1, 2, 34 ", "[1,2,34] ...1", "truncated"},
      {"cut fraction", R"({"a": 0.)", "{} ...1", "truncated"},
      {"cut string", R"({"a": 1, "b": "cd)", R"({"a":1} ...1)", "truncated"},
      {"cut key", R"({"a": 1, "b)", R"({"a":1} ...1)", "truncated"},
      {"cut before a colon", R"({"a": 1, "b")", R"({"a":1} ...1)", "truncated"},
      {"cut after a colon", R"({"a": 1, "b":)", R"({"a":1} ...1)", "truncated"},
      {"cut literal", "[true, tru", "[true] ...1", "truncated"},
      {"cut in depth", R"({"a": [{"b": [1, 2)", R"({"a":[{"b":[1]}]} ...4)", "truncated"},
      {"cut comment", "[1, /* tw", "[1] ...1", "comment,truncated"},
      {"cut at once", "{", "{} ...1", "truncated"},
      {"cut after a comma", R"([{"a":1},)", R"([{"a":1}] ...1)", "truncated"},
      {"cut second block", R"({"a":1} [2, 3)", R"({"a":1} & [2] ...1)", "several_blocks,truncated"},
  };
  return kCases;
}

TEST(LenientJson, RepairsAndReports) {
  for (const LenientCase& c : cases()) {
    SCOPED_TRACE(c.name + ": " + c.text);
    const LenientJson json = read_lenient_json(c.text);
    EXPECT_EQ(render(json), c.expected);
    EXPECT_EQ(render(json.repairs), c.repairs);
  }
}

// Whether `part` is `whole` with elements missing at the end, at every depth along its right edge.
bool is_beginning_of(const Json& part, const Json& whole) {
  if (part == whole) return true;
  if (part.is_array() && whole.is_array() && part.size() <= whole.size()) {
    for (std::size_t i = 0; i < part.size(); ++i) {
      const bool last = i + 1 == part.size();
      if (last ? !is_beginning_of(part[i], whole[i]) : part[i] != whole[i]) return false;
    }
    return true;
  }
  if (!part.is_object() || !whole.is_object() || part.size() > whole.size()) return false;
  auto in_whole = whole.begin();
  for (auto it = part.begin(); it != part.end(); ++it, ++in_whole) {
    if (it.key() != in_whole.key() || !is_beginning_of(it.value(), in_whole.value())) return false;
  }
  return true;
}

TEST(LenientJson, EveryPrefixKeepsCompleteElementsAlone) {
  const std::string text =
      R"({"a": [1, 23, -4.5e3, "x\"y", true, null, {"b": [], "c": {}}], "d e": [[1, 2], [3]], "f": ""})";
  const Json whole = Json::parse(text);
  for (std::size_t length = 1; length < text.size(); ++length) {
    const LenientJson json = read_lenient_json(text.substr(0, length));
    ASSERT_EQ(json.blocks.size(), 1u) << text.substr(0, length);
    EXPECT_TRUE(json.blocks[0].truncated) << text.substr(0, length);
    EXPECT_GE(json.blocks[0].open_containers, 1u);
    EXPECT_TRUE(is_beginning_of(json.blocks[0].value, whole))
        << text.substr(0, length) << " -> " << json.blocks[0].value.dump();
  }
  EXPECT_EQ(read_lenient_json(text).blocks[0].value, whole);
}

TEST(LenientJson, PositionsAreThoseOfTheText) {
  const std::string text = "<think>[0]</think> x {\"a\": 1} y [2] z";
  const LenientJson json = read_lenient_json(text);
  ASSERT_EQ(json.blocks.size(), 2u);
  EXPECT_EQ(text.substr(json.blocks[0].begin, json.blocks[0].end - json.blocks[0].begin),
            "{\"a\": 1}");
  EXPECT_EQ(text.substr(json.blocks[1].begin, json.blocks[1].end - json.blocks[1].begin), "[2]");
  EXPECT_EQ(text.substr(json.answer_begin, json.answer_end - json.answer_begin),
            " x {\"a\": 1} y [2] z");
}

TEST(LenientJson, ReasoningThatTheEndCutsIsNoAnswer) {
  const LenientJson json = read_lenient_json("<think>perhaps [1, 2]");
  EXPECT_TRUE(json.blocks.empty());
  EXPECT_TRUE(json.cut_in_reasoning);
  EXPECT_FALSE(read_lenient_json("<think>[1]</think>[2]").cut_in_reasoning);
}

TEST(LenientJson, AMissingValueIsNotNull) {
  const LenientJson json = read_lenient_json(R"({"a":, "b": null})");
  ASSERT_EQ(json.blocks.size(), 1u);
  EXPECT_TRUE(json.blocks[0].value["a"].is_discarded());
  EXPECT_TRUE(json.blocks[0].value["b"].is_null());
  EXPECT_EQ(render(json.repairs), "missing_value");
}

TEST(LenientJson, DepthIsLimited) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + "1" + std::string(depth, ']');
  };
  EXPECT_TRUE(read_lenient_json(nested(JsonBuilder::kMaxDepth)).repairs.empty());
  const LenientJson json = read_lenient_json(nested(JsonBuilder::kMaxDepth + 1) + " [2]");
  EXPECT_EQ(json.repairs.count(Repair::kTooDeep), 1u);
  ASSERT_EQ(json.blocks.size(), 2u);
  EXPECT_EQ(json.blocks[0].value.dump(), std::string(64, '[') + std::string(64, ']'));
  EXPECT_EQ(json.blocks[1].value.dump(), "[2]");
}

TEST(LenientJson, ManyKeysKeepTheirOrder) {
  std::string text = "{";
  constexpr int kKeys = 20000;
  for (int i = 0; i < kKeys; ++i) text += fmt::format("\"k{}\":{},", i, i);
  text.back() = '}';
  const LenientJson json = read_lenient_json(text);
  ASSERT_EQ(json.blocks.size(), 1u);
  EXPECT_TRUE(json.repairs.empty());
  EXPECT_EQ(json.blocks[0].value.size(), static_cast<std::size_t>(kKeys));
  EXPECT_EQ(json.blocks[0].value.back(), kKeys - 1);
}

TEST(LenientJson, EveryRepairHasItsOwnName) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(Repair::kTruncated); ++i) {
    EXPECT_TRUE(names.insert(name_of(static_cast<Repair>(i))).second) << i;
  }
  EXPECT_EQ(names.count("unknown"), 0u);
}

}  // namespace
}  // namespace alig::parse
