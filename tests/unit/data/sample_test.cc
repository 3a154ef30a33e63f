#include "auto_label_image_grounding/data/sample.h"

#include <gtest/gtest.h>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/sample_name.h"

namespace alig {
namespace {

TEST(SampleTest, TakesTheIdFromTheFileNameWhereNoneIsGiven) {
  struct Case {
    const char* line;
    const char* id;
  };
  for (const Case& c : {
           Case{R"({"image_path": "a/b/cat.tar.jpg", "caption": ""})", "cat.tar"},
           Case{R"({"image_path": "cat.jpg", "caption": "", "image_id": null})", "cat"},
           Case{R"({"image_path": "cat.jpg", "caption": "", "image_id": ""})", "cat"},
           Case{R"({"image_path": "cat.jpg", "caption": "", "image_id": "x/y"})", "x/y"},
           Case{R"({"image_path": "cat.jpg", "caption": "", "image_id": 790})", "790"},
           Case{R"({"image_path": ".hidden", "caption": ""})", ".hidden"},
       }) {
    const auto sample = read_input_sample(c.line, "");
    ASSERT_TRUE(sample) << c.line;
    EXPECT_EQ(sample->image_id, c.id) << c.line;
  }
}

TEST(SampleTest, SaysWhatIsWrongWithALine) {
  struct Case {
    const char* line;
    const char* said;
  };
  for (const Case& c : {
           Case{"{", "not valid JSON"},
           Case{"[]", "not a JSON object"},
           Case{R"({"caption": "x"})", "image_path"},
           Case{R"({"image_path": "a.jpg"})", "caption"},
           Case{R"({"image_path": 1, "caption": "x"})", "image_path"},
           Case{R"({"image_path": "", "caption": "x"})", "image_path"},
           Case{R"({"image_path": "a", "caption": ["x"]})", "caption"},
           Case{R"({"image_path": "a", "caption": "x", "width": "640"})", "width"},
           Case{R"({"image_path": "a", "caption": "x", "image_id": []})", "image_id"},
           Case{"{\"image_path\": \"a\\u0000b\", \"caption\": \"x\"}", "NUL"},
       }) {
    const auto sample = read_input_sample(c.line, "");
    ASSERT_FALSE(sample) << c.line;
    EXPECT_NE(sample.error().message.find(c.said), std::string::npos)
        << c.line << " -> " << sample.error().message;
  }
}

TEST(SampleTest, DeclaredSizeNeedsBothSides) {
  const auto size = [](const char* fields) {
    return read_input_sample(std::string(R"({"image_path": "a", "caption": "x")") + fields + "}",
                             "")
        ->declared_size;
  };
  EXPECT_EQ(size(R"(, "width": 640, "height": 480)"), (ImageSize{640, 480}));
  EXPECT_EQ(size(R"(, "width": 640)"), std::nullopt);
  EXPECT_EQ(size(R"(, "width": -1, "height": 0)"), std::nullopt);
}

TEST(SampleTest, ResolvesPathsAsPythonJoinsThem) {
  EXPECT_EQ(resolve_image_path("", "a/b.jpg"), "a/b.jpg");
  EXPECT_EQ(resolve_image_path("root", "a/b.jpg"), "root/a/b.jpg");
  EXPECT_EQ(resolve_image_path("root/", "a/b.jpg"), "root/a/b.jpg");
  EXPECT_EQ(resolve_image_path("root", "/abs.jpg"), "/abs.jpg");
}

TEST(SampleTest, SanitisedIdsAreSafeFileNames) {
  EXPECT_EQ(sanitise_id("cat_01.v-2"), "cat_01.v-2");
  EXPECT_EQ(sanitise_id("../../etc/passwd"), "_.._.._etc_passwd");
  EXPECT_EQ(sanitise_id("."), "_.");
  EXPECT_EQ(sanitise_id(""), "_");
  EXPECT_EQ(sanitise_id("猫 1"), "猫_1");
  EXPECT_EQ(sanitise_id(std::string("a\0b", 3)), "a_b");
  const std::string longer(300, 'a');
  EXPECT_LE(sanitise_id(longer).size(), 120u);
  EXPECT_NE(sanitise_id(longer), sanitise_id(longer + "b")) << "cut names stay apart";
  std::string cjk;
  for (int i = 0; i < 100; ++i) cjk += "猫";
  EXPECT_TRUE(is_valid_utf8(sanitise_id(cjk)));
  EXPECT_LE(sanitise_id(cjk).size(), 120u);
}

TEST(SampleTest, ExtractedRecordsBringTheirTexts) {
  const auto sample = read_extracted_sample(
      R"({"image_path": "a", "caption": "x", "expressions": [{"text": "b"}, {"text": "c", "k": 1}]})");
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->texts, (std::vector<std::string>{"b", "c"}));
  EXPECT_FALSE(sample->error);
  EXPECT_FALSE(read_extracted_sample(R"({"image_path": "a", "caption": "x"})"));
  EXPECT_FALSE(
      read_extracted_sample(R"({"image_path": "a", "caption": "x", "expressions": ["b"]})"));
}

TEST(SampleTest, ATowerOfBracketsIsNoListOfExpressions) {
  constexpr std::size_t kLevels = 300'000;
  const std::string tower = std::string(kLevels, '[') + std::string(kLevels, ']');
  const std::string line = R"({"image_path": "a", "caption": "c", "expressions": )" + tower + "}";
  const auto passed = read_input_sample(line, "");
  ASSERT_TRUE(passed);
  EXPECT_EQ(passed->record.dump(), line) << "what is not ours passes through";
  EXPECT_FALSE(read_extracted_sample(line));
}

}  // namespace
}  // namespace alig
