#include "auto_label_image_grounding/data/jsonl.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>

namespace alig {
namespace {

class JsonlTest : public ::testing::Test {
 protected:
  void write(const std::string& text) {
    path_ = std::filesystem::temp_directory_path() / ("alig-jsonl-" + std::to_string(::getpid()));
    std::ofstream(path_, std::ios::binary) << text;
  }
  void TearDown() override { std::filesystem::remove(path_); }
  std::vector<std::pair<std::uint32_t, std::string>> lines() {
    auto file = JsonlFile::open(path_);
    EXPECT_TRUE(file);
    std::vector<std::pair<std::uint32_t, std::string>> out;
    for (;;) {
      auto line = file->next();
      EXPECT_TRUE(line);
      if (!line || !*line) return out;
      out.emplace_back((*line)->position.number, (*line)->text);
      EXPECT_EQ(file->read((*line)->position).value(), (*line)->text);
    }
  }
  std::filesystem::path path_;
};

using Lines = std::vector<std::pair<std::uint32_t, std::string>>;

TEST_F(JsonlTest, NumbersLinesAndSkipsBlankOnes) {
  write("\xEF\xBB\xBF{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}");
  EXPECT_EQ(lines(), (Lines{{1, "{\"a\":1}"}, {4, "{\"b\":2}"}, {5, "{\"c\":3}"}}));
}

TEST_F(JsonlTest, EmptyFile) {
  write("");
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(JsonlTest, LinesLongerThanABlock) {
  const std::string longer(700'000, 'x');
  write("short\n" + longer + "\n" + longer + "y");
  EXPECT_EQ(lines(), (Lines{{1, "short"}, {2, longer}, {3, longer + "y"}}));
}

TEST_F(JsonlTest, MissingFileIsNamed) {
  const auto file = JsonlFile::open("/nowhere/captions.jsonl");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(file.error().message.find("/nowhere/captions.jsonl"), std::string::npos);
}

TEST_F(JsonlTest, FolderIsRefused) {
  EXPECT_FALSE(JsonlFile::open(std::filesystem::temp_directory_path()));
}

}  // namespace
}  // namespace alig
