#include "auto_label_image_grounding/data/dataset.h"

#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

using nlohmann::json;

class DatasetTest : public ::testing::Test {
 protected:
  Dataset open(const std::string& text, InputKind kind = InputKind::kCaptions) {
    write_text(folder_ / "in.jsonl", text);
    return Dataset::open(folder_ / "in.jsonl", kind, "root").value();
  }
  SampleName name(const Dataset& dataset, std::size_t record) {
    return dataset.name_of(record, read_input_sample(dataset.line(record).value(), "root").value());
  }
  // The ids as they are written.
  std::vector<json> written_ids(const std::string& text, InputKind kind = InputKind::kCaptions) {
    Dataset dataset = open(text, kind);
    EXPECT_TRUE(dataset.make_ids_unique());
    std::vector<json> out;
    for (std::size_t i = 0; i < dataset.size(); ++i) {
      const Sample sample = read_input_sample(dataset.line(i).value(), "root").value();
      const auto renamed = dataset.unique_id(i, sample);
      const json own = sample.record.value("image_id");
      out.push_back(renamed ? json(*renamed) : own.is_null() ? json(sample.image_id) : own);
    }
    EXPECT_EQ(std::set<json>(out.begin(), out.end()).size(), out.size()) << "no two are equal";
    return out;
  }
  TemporaryFolder folder_;
};

std::string line(const json& id, const std::string& path, const std::string& caption = "1") {
  return json{{"image_id", id}, {"image_path", path}, {"caption", caption}}.dump() + "\n";
}
std::string suffix(const std::string& path, const std::string& caption = "1") {
  return "-" + sample_key("root/" + path, caption);
}

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

TEST_F(DatasetTest, OnlySharedIdsAreMadeUnique) {
  const auto ids =
      written_ids(line("a", "1") + line("a", "1") + line("a", "1", "2") + line("b", "1") +
                  line(7, "x") + line(8, "x") + line(7, "y") + line("a/b", "p") + line("a_b", "q") +
                  line(nullptr, "x/c.jpg") + line("", "y/c.jpg") + line("", "d.jpg"));
  EXPECT_EQ(ids,
            (std::vector<json>{"a" + suffix("1"), "a" + suffix("1") + "-2", "a" + suffix("1", "2"),
                               "b", "7" + suffix("x"), 8, "7" + suffix("y"), "a/b", "a_b",
                               "c" + suffix("x/c.jpg"), "c" + suffix("y/c.jpg"), ""}))
      << "the last one is derived by whoever writes it";
}

TEST_F(DatasetTest, NumbersThatAreEqualAreOneId) {
  for (const json& other : {json(7.0), json("7"), json(7)}) {
    const auto ids = written_ids(line(7, "x") + line(other, "y"));
    EXPECT_EQ(ids[0], "7" + suffix("x")) << other;
  }
  EXPECT_EQ(written_ids(line(7, "x") + line(7.5, "y")), (std::vector<json>{7, 7.5}));
}

TEST_F(DatasetTest, WrittenIdsSurviveAppendedAndReorderedInput) {
  const std::string a = line("a", "1"), b = line("a", "2"), c = line("c", "3");
  const auto ids = written_ids(a + b + c);
  const auto more = written_ids(c + line("a", "4") + b + line("d", "5") + a);
  EXPECT_EQ(more[4], ids[0]);
  EXPECT_EQ(more[2], ids[1]);
  EXPECT_EQ(more[0], ids[2]);
}

// A record may be called already what another one is to be called.
TEST_F(DatasetTest, MadeIdsNeverMeetGivenOnes) {
  const std::string made = "a" + suffix("1");
  const std::string again = made + suffix("3");
  const std::string second = made + "-2";
  const auto ids =
      written_ids(line(again, "4") + line(made, "3") + line("a", "1") + line("a", "2") +
                  line("a", "1") + line(second, "5") + line("b" + suffix("1"), "6"));
  EXPECT_EQ(ids[2], made);
  EXPECT_EQ(ids[1], again);
  EXPECT_EQ(ids[0], again + suffix("4"));
  EXPECT_EQ(ids[4], second);
  EXPECT_EQ(ids[5], second + suffix("5"));
  EXPECT_EQ(ids[6], "b" + suffix("1")) << "no other record gets that one";
}

TEST_F(DatasetTest, AnIdMadeUniqueInStepZeroKeepsItsCheckpointsName) {
  const std::string shared(300, 'x');
  const std::string texts = line(shared, "1") + line(shared, "2") + line(shared, "2");
  const Dataset input = open(texts);
  std::string extracted;
  std::vector<std::string> names;
  const auto ids = written_ids(texts);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    names.push_back(checkpoint_name(name(input, i)));
    const std::string path = i == 0 ? "root/1" : "root/2";
    extracted += json{{"image_id", ids[i]},
                      {"image_path", path},
                      {"caption", "1"},
                      {"expressions", json::array()}}
                     .dump() +
                 "\n";
  }
  write_text(folder_ / "out.jsonl", extracted);
  Dataset output = Dataset::open(folder_ / "out.jsonl", InputKind::kExtracted, "").value();
  ASSERT_TRUE(output.make_ids_unique());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Sample sample = read_input_sample(output.line(i).value(), "").value();
    EXPECT_EQ(checkpoint_name(output.name_of(i, sample)), names[i]);
    EXPECT_FALSE(output.unique_id(i, sample)) << "it is already unique";
  }
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
