#include "auto_label_image_grounding/data/record.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace alig {
namespace {

TEST(RecordTest, NothingIsDroppedBehindANul) {
  using namespace std::string_view_literals;
  for (const std::string_view line : {"{\"a\": 1}\0{\"a\": 2}"sv, "{\"a\": 1}\0"sv, "\0{}"sv}) {
    const auto record = Record::parse(line);
    ASSERT_FALSE(record) << line;
    EXPECT_NE(record.error().message.find("a NUL byte at column"), std::string::npos) << line;
  }
}

TEST(RecordTest, ValuesKeepTheTextTheyWereWrittenWith) {
  const std::string line =
      R"({"a": 1.50, "b": 1e5, "c": 12345678901234567890123, "d": {"x" : [1,  2.0 ]}, "e": "\u00e9\/", "f": -0.0, "g": null, "h": true})";
  auto record = Record::parse(line);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->dump(), line);
}

TEST(RecordTest, OrderStaysWhenFieldsChange) {
  auto record = Record::parse(R"({"z": 1, "image_path": "a.jpg", "m": 2})");
  ASSERT_TRUE(record);
  record->set_string("image_path", "root/a.jpg");
  record->set("new", "[1]");
  record->erase("m");
  EXPECT_EQ(record->dump(), R"({"z": 1, "image_path": "root/a.jpg", "new": [1]})");
}

TEST(RecordTest, KeysAreComparedDecoded) {
  auto record = Record::parse(R"({"\u0061": 1})");
  ASSERT_TRUE(record);
  ASSERT_NE(record->raw("a"), nullptr);
  EXPECT_EQ(*record->raw("a"), "1");
  EXPECT_EQ(record->dump(), R"({"\u0061": 1})");
}

TEST(RecordTest, TheLastOfTwoEqualKeysCounts) {
  auto record = Record::parse(R"({"a": 1, "a": 2})");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->value("a"), 2);
}

TEST(RecordTest, BracesInStringsAreText) {
  const std::string line = R"({"a": "}\"]{", "b": ["[", {"c": "\\"}], "d": 1})";
  auto record = Record::parse(line);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->dump(), line);
  EXPECT_EQ(*record->raw("b"), R"(["[", {"c": "\\"}])");
}

TEST(RecordTest, RefusesWhatIsNoObject) {
  for (const char* line : {"", "x", "[1]", "1", "null", "\"a\"", "{", "{\"a\":}", "{\"a\":1,}",
                           "{} {}", "{'a': 1}", "{\"a\": NaN}", "{\"a\": \"\xff\"}"}) {
    const auto record = Record::parse(line);
    EXPECT_FALSE(record) << line;
    if (!record) {
      EXPECT_EQ(record.error().kind, ErrorKind::kData) << line;
    }
  }
}

TEST(RecordTest, EveryPrefixIsRefused) {
  const std::string line = R"({"a": [1, {"b": "c"}], "d": "e"})";
  for (std::size_t i = 0; i < line.size(); ++i) EXPECT_FALSE(Record::parse(line.substr(0, i))) << i;
}

TEST(RecordTest, SplitsArrays) {
  EXPECT_EQ(split_raw_array("[ ]"), std::vector<std::string>{});
  EXPECT_EQ(split_raw_array(R"([1.50, "a,]", [2, 3], {"b": [4]}])"),
            (std::vector<std::string>{"1.50", "\"a,]\"", "[2, 3]", "{\"b\": [4]}"}));
}

TEST(RecordTest, JsonStringsStayReadable) {
  EXPECT_EQ(json_string("猫 \"x\"\n"), "\"猫 \\\"x\\\"\\n\"");
}

// Every byte between plain and other neighbours, whole and broken UTF-8 among them.
TEST(RecordTest, JsonStringsAreWhatTheSerializerWrites) {
  const std::vector<std::string> around = {"", "a", "\n", "\"", "\xc3\xa9", "\xc3", "\xa9", "猫"};
  for (int byte = 0; byte < 256; ++byte) {
    for (const std::string& before : around) {
      for (const std::string& after : around) {
        const std::string text = before + static_cast<char>(byte) + after;
        EXPECT_EQ(json_string(text), nlohmann::json(text).dump(
                                         -1, ' ', false, nlohmann::json::error_handler_t::replace))
            << byte << " between '" << before << "' and '" << after << "'";
      }
    }
  }
}

}  // namespace
}  // namespace alig
