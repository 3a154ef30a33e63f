#include "auto_label_image_grounding/base/files.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace alig {
namespace {

namespace fs = std::filesystem;

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("alig-files-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  fs::path folder_;
};

TEST_F(FilesTest, NewFilesAppearWholeAndLeaveNothingElse) {
  const fs::path temporaries = folder_ / "tmp";
  ASSERT_TRUE(make_directories(temporaries));
  ASSERT_TRUE(write_new_file_atomically(folder_ / "f", "first", temporaries));
  EXPECT_EQ(*read_file(folder_ / "f"), "first");
  ASSERT_TRUE(write_new_file_atomically(folder_ / "f", "second", temporaries));
  EXPECT_EQ(*read_file(folder_ / "f"), "second") << "an old one is replaced";
  EXPECT_EQ(files(), 2u) << "the file and the folder";
  EXPECT_TRUE(fs::is_empty(temporaries));
  const Status nowhere =
      write_new_file_atomically(folder_ / "no" / "f", "x", folder_ / "no" / "tmp");
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find((folder_ / "no" / "f").string()), std::string::npos);
}

TEST_F(FilesTest, WhatIsReplacedCanBeMovedAwayFirst) {
  const fs::path file = folder_ / "f";
  int calls = 0;
  const auto move_away = [&]() -> Status {
    ++calls;
    fs::rename(file, folder_ / "old");
    return {};
  };
  ASSERT_TRUE(write_new_file_atomically(file, "first", folder_, move_away));
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(write_new_file_atomically(file, "second", folder_, move_away));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(*read_file(folder_ / "old"), "first");
  EXPECT_EQ(*read_file(file), "second");
  const auto refuse = []() -> Status { return fail(ErrorKind::kIo, "no"); };
  EXPECT_FALSE(write_new_file_atomically(file, "third", folder_, refuse));
  EXPECT_EQ(*read_file(file), "second");
}

TEST_F(FilesTest, AnExistingFileIsKeptUnderANewName) {
  const fs::path file = folder_ / "experiment.yaml";
  for (const char* name :
       {"experiment.previous.yaml", "experiment.previous-2.yaml", "experiment.previous-3.yaml"}) {
    ASSERT_TRUE(write_file_atomically(file, name));
    const auto kept = keep_previous(file);
    ASSERT_TRUE(kept) << kept.error().message;
    EXPECT_EQ(*kept, folder_ / name);
    EXPECT_TRUE(fs::exists(file)) << "a reader always finds it";
    EXPECT_EQ(*keep_previous(file), *kept) << "it is kept already";
  }
  ASSERT_TRUE(write_file_atomically(file, "new"));
  EXPECT_EQ(*read_file(folder_ / "experiment.previous.yaml"), "experiment.previous.yaml");
  EXPECT_EQ(*read_file(folder_ / "experiment.previous-3.yaml"), "experiment.previous-3.yaml");
  const auto missing = keep_previous(folder_ / "none");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("none"), std::string::npos);
}

TEST_F(FilesTest, WritesAndReadsBack) {
  const std::string bytes("a\0b\n", 4);
  ASSERT_TRUE(write_file_atomically(folder_ / "f", bytes));
  EXPECT_EQ(read_file(folder_ / "f").value(), bytes);
  EXPECT_EQ(files(), 1u) << "no temporary is left";
}

TEST_F(FilesTest, MissingFileIsNotFound) {
  const auto result = read_file(folder_ / "none");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(result.error().message.find((folder_ / "none").string()), std::string::npos);
}

TEST_F(FilesTest, FolderIsNoFile) {
  const auto result = read_file(folder_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kIo);
}

TEST_F(FilesTest, UncommittedFileLeavesNothing) {
  ASSERT_TRUE(write_file_atomically(folder_ / "f", "old"));
  {
    auto file = AtomicFile::create(folder_ / "f");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append("new"));
  }
  EXPECT_EQ(read_file(folder_ / "f").value(), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(FilesTest, FailedReplacementKeepsTheTargetAndSaysWhere) {
  fs::create_directories(folder_ / "target" / "inside");  // a folder cannot be replaced by a file
  const auto status = write_file_atomically(folder_ / "target", "x");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("target"), std::string::npos);
  EXPECT_TRUE(fs::exists(folder_ / "target" / "inside"));
  EXPECT_EQ(files(), 1u);
}

TEST_F(FilesTest, TemporariesLiveWhereAsked) {
  fs::create_directories(folder_ / "tmp");
  auto file = AtomicFile::create(folder_ / "f", folder_ / "tmp");
  ASSERT_TRUE(file);
  EXPECT_FALSE(fs::is_empty(folder_ / "tmp"));
  ASSERT_TRUE(file->append("x"));
  ASSERT_TRUE(file->commit());
  EXPECT_TRUE(fs::is_empty(folder_ / "tmp"));
  EXPECT_EQ(read_file(folder_ / "f").value(), "x");
}

}  // namespace
}  // namespace alig
