#include "auto_label_image_grounding/run/dataset.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

class DatasetTest : public ::testing::Test {
 protected:
  Dataset open(const std::string& text, InputKind kind = InputKind::kCaptions) {
    write_text(folder_ / "in.jsonl", text);
    return Dataset::open(folder_ / "in.jsonl", kind, "root").value();
  }
  SampleName name(const Dataset& dataset, std::size_t record) {
    return dataset.name_of(record, read_input_sample(dataset.line(record).value(), "root").value());
  }
  TemporaryFolder folder_;
};

TEST_F(DatasetTest, GroupsRecordsByImageInTheOrderOfTheFirst) {
  const Dataset dataset = open(R"({"image_path": "b", "caption": "1"}
{"image_path": "a", "caption": "2"}
oops

{"image_path": "b", "caption": "3"}
{"image_path": "c", "caption": "4"}
{"image_path": "b"}
)");
  ASSERT_EQ(dataset.size(), 4u);
  ASSERT_EQ(dataset.groups(), 3u);
  const auto group = [&](std::size_t i) {
    return std::vector<std::uint32_t>(dataset.group(i).begin(), dataset.group(i).end());
  };
  EXPECT_EQ(group(0), (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(group(1), (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(group(2), (std::vector<std::uint32_t>{3}));
  EXPECT_EQ(dataset.line_number(2), 5u);
  ASSERT_EQ(dataset.bad_lines().size(), 2u);
  EXPECT_EQ(dataset.bad_lines()[0].number, 3u);
  EXPECT_EQ(dataset.bad_lines()[1].number, 7u);
}

TEST_F(DatasetTest, ReadingEndsWhenItMayNotGoOn) {
  std::string lines;
  for (int i = 0; i < 10'000; ++i)
    lines += R"({"image_path": "b", "caption": "1"})"
             "\n";
  write_text(folder_ / "in.jsonl", lines);
  for (int last : {1, 3}) {  // in the counting, in the reading
    int asked = 0;
    const auto opened = Dataset::open(folder_ / "in.jsonl", InputKind::kCaptions, "", [&] {
      return ++asked < last ? Status() : fail(ErrorKind::kInterrupted, "stop");
    });
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::kInterrupted);
    EXPECT_EQ(asked, last);
  }
}

TEST_F(DatasetTest, RecordsThatShareAnIdAreToldApart) {
  const Dataset dataset = open(R"({"image_path": "x/a.jpg", "caption": "1"}
{"image_path": "y/a.jpg", "caption": "1"}
{"image_path": "x/a.jpg", "caption": "1"}
{"image_path": "b.jpg", "caption": "1"}
)");
  std::set<std::string> names;
  for (std::size_t i = 0; i < dataset.size(); ++i) names.insert(checkpoint_name(name(dataset, i)));
  EXPECT_EQ(names.size(), 4u);
  EXPECT_FALSE(name(dataset, 3).shared);
  EXPECT_EQ(name(dataset, 0).ordinal, 1u);
  EXPECT_EQ(name(dataset, 2).ordinal, 2u);
}

TEST_F(DatasetTest, IdsThatLookAlikeOnDiskAreShared) {
  const Dataset dataset = open(R"({"image_path": "1", "image_id": "a/b", "caption": "1"}
{"image_path": "2", "image_id": "a_b", "caption": "1"}
)");
  EXPECT_TRUE(name(dataset, 0).shared);
  EXPECT_NE(checkpoint_name(name(dataset, 0)), checkpoint_name(name(dataset, 1)));
}

TEST_F(DatasetTest, KnowsTheLargestExpressionId) {
  const Dataset dataset = open(
      R"({"image_path": "1", "caption": "1", "expressions": [{"text": "a", "expression_id": "expr_00041"}, {"text": "b"}]}
)",
      InputKind::kExtracted);
  EXPECT_EQ(dataset.next_expression_id(), 42);
}

TEST_F(DatasetTest, EmptyInput) {
  const Dataset dataset = open("");
  EXPECT_EQ(dataset.size(), 0u);
  EXPECT_EQ(dataset.groups(), 0u);
}

}  // namespace
}  // namespace alig
