#include "auto_label_image_grounding/results/output_writer.h"

#include <sys/resource.h>

#include <csignal>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/results/published_files.h"
#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

class OutputWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(dir_.clean_temporaries());
    ASSERT_TRUE(make_directories(dir_.checkpoints(Step::kExtraction)));
  }
  // A writer of one record, ready to publish.
  OutputWriter writer_of(const std::string& caption) {
    auto writer = OutputWriter::create({dir_, {Step::kExtraction}, 0, {}, "", no_failures_}, 1, {});
    EXPECT_TRUE(writer);
    FinishedRecord finished;
    finished.sample =
        *read_input_sample(R"({"image_path": "a.png", "caption": ")" + caption + R"("})", "");
    finished.extraction = {caption, {}, ImageSize{1, 1}};
    EXPECT_TRUE(writer->put(0, std::move(finished)));
    return std::move(*writer);
  }
  bool edited() { return *edited_since_published(dir_, Step::kExtraction); }

  TemporaryFolder folder_;
  ResultsDir dir_{folder_.path()};
  EarlierFailures no_failures_;
};

// What a process leaves that dies after the new digest is written and before the file is replaced.
TEST_F(OutputWriterTest, PublishingThatFailsSeveralTimesIsNoEdit) {
  ASSERT_TRUE(writer_of("first").publish());
  EXPECT_FALSE(edited());
  for (const char* caption : {"second", "third", "fourth"}) {
    OutputWriter writer = writer_of(caption);
    // The temporary of annotations.jsonl is gone, so that it cannot be renamed.
    for (const auto& file : std::filesystem::directory_iterator(dir_.temporaries())) {
      std::filesystem::remove(file);
    }
    EXPECT_FALSE(writer.publish()) << caption;
    EXPECT_FALSE(edited()) << caption;
  }
  const auto path = dir_.step_annotations(Step::kExtraction);
  write_text(path, read_text(path) + "\n");
  EXPECT_TRUE(edited());
}

// Killed between the steps' files and their copy, or before what was written is noted.
TEST_F(OutputWriterTest, AnOlderCopyOfOursIsReplacedWithoutAWord) {
  ASSERT_TRUE(writer_of("first").publish());
  const std::string first = read_text(dir_.annotations());
  for (const char* caption : {"second", "third"}) {
    OutputWriter writer = writer_of(caption);
    std::filesystem::remove(dir_.annotations());
    std::filesystem::create_directories(dir_.annotations() / "in the way");
    EXPECT_FALSE(writer.publish());
    std::filesystem::remove_all(dir_.annotations());
    write_text(dir_.annotations(), first);  // as a kill before the copy leaves it
  }
  OutputWriter writer = writer_of("fourth");
  ASSERT_TRUE(writer.publish());
  EXPECT_TRUE(writer.kept_files().empty());
  EXPECT_EQ(read_text(dir_.annotations()), read_text(dir_.step_annotations(Step::kExtraction)));
}

TEST_F(OutputWriterTest, AnEditedCopyIsKeptBesideTheNewOne) {
  ASSERT_TRUE(writer_of("first").publish());
  const std::string mine = read_text(dir_.annotations()) + "\n";
  write_text(dir_.annotations(), mine);
  OutputWriter writer = writer_of("second");
  ASSERT_TRUE(writer.publish());
  ASSERT_EQ(writer.kept_files().size(), 1u);
  EXPECT_EQ(writer.kept_files()[0].kept_as, dir_.root / "annotations.previous.jsonl");
  EXPECT_EQ(read_text(dir_.root / "annotations.previous.jsonl"), mine);
  EXPECT_NE(read_text(dir_.annotations()), mine);
}

TEST_F(OutputWriterTest, TheCopyIsKnownWithoutTheFolderOfItsStep) {
  ASSERT_TRUE(writer_of("first").publish());
  std::filesystem::remove_all(dir_.step_dir(Step::kExtraction));
  ASSERT_TRUE(make_directories(dir_.checkpoints(Step::kExtraction)));
  OutputWriter writer = writer_of("second");
  ASSERT_TRUE(writer.publish());
  EXPECT_TRUE(writer.kept_files().empty());
}

// A kill before the file is replaced: it still is the one that its failures.jsonl belongs to.
TEST_F(OutputWriterTest, TheBadLinesAreThoseOfTheExistingFile) {
  const auto noted = [&] { return *published_bad_lines(dir_, Step::kExtraction); };
  const auto path = dir_.step_annotations(Step::kExtraction);
  EXPECT_EQ(noted(), "");
  write_text(path, "one\n");
  ASSERT_TRUE(announce(dir_, Step::kExtraction, {sha256_hex("one\n"), "of one"}));
  ASSERT_TRUE(announce(dir_, Step::kExtraction, {sha256_hex("two\n"), ""}));
  ASSERT_TRUE(announce(dir_, Step::kExtraction, {sha256_hex("three\n"), "of three"}));
  EXPECT_EQ(noted(), "of one");
  write_text(path, "two\n");
  EXPECT_EQ(noted(), "");
  write_text(path, "three\n");
  EXPECT_EQ(noted(), "of three");
  ASSERT_TRUE(settle_published(dir_, {Step::kExtraction}));
  EXPECT_EQ(noted(), "of three");
  write_text(path, "edited\n");
  EXPECT_EQ(noted(), "of three") << "an edit changes nothing about the input";
  EXPECT_TRUE(edited());
}

TEST_F(OutputWriterTest, AFileOfAnotherProgramIsKeptBesideTheNewOne) {
  const auto path = dir_.step_annotations(Step::kExtraction);
  write_text(path, "theirs\n");
  EXPECT_FALSE(edited());
  OutputWriter writer = writer_of("ours");
  ASSERT_TRUE(writer.publish());
  ASSERT_EQ(writer.kept_files().size(), 1u);
  EXPECT_EQ(read_text(writer.kept_files()[0].kept_as), "theirs\n");
  OutputWriter again = writer_of("again");
  ASSERT_TRUE(again.publish());
  EXPECT_TRUE(again.kept_files().empty());
}

TEST_F(OutputWriterTest, AnEditWhileTheRunIsAtWorkIsKept) {
  ASSERT_TRUE(writer_of("first").publish());
  OutputWriter writer = writer_of("second");
  const auto path = dir_.step_annotations(Step::kExtraction);
  const std::string mine = read_text(path) + "\n";
  write_text(path, mine);
  ASSERT_TRUE(writer.publish());
  ASSERT_EQ(writer.kept_files().size(), 1u);
  EXPECT_EQ(read_text(writer.kept_files()[0].kept_as), mine);
  EXPECT_FALSE(edited());
}

// What is copied is the step's folder; .state/ stays behind.
TEST_F(OutputWriterTest, AnEditIsSeenInACopyOfTheFolder) {
  ASSERT_TRUE(writer_of("first").publish());
  std::filesystem::remove_all(dir_.state_dir());
  EXPECT_FALSE(edited());
  const auto path = dir_.step_annotations(Step::kExtraction);
  write_text(path, read_text(path) + "\n");
  EXPECT_TRUE(edited());
}

TEST_F(OutputWriterTest, ListsFailuresAndBadLinesInTheOrderOfTheInput) {
  const std::vector<BadLine> bad_lines = {{1, "no JSON"}, {3, "no JSON"}, {6, "no JSON"}};
  const std::uint32_t lines[] = {2, 4, 5};  // of the records
  auto writer =
      OutputWriter::create({dir_, {Step::kExtraction}, 0, bad_lines, "", no_failures_}, 3, {});
  ASSERT_TRUE(writer);
  for (const std::size_t record : {2U, 1U, 0U}) {
    FinishedRecord finished;
    finished.line = lines[record];
    finished.sample = *read_input_sample(R"({"image_path": "a.png", "caption": "c"})", "");
    finished.extraction = {"c", {}, ImageSize{1, 1}};
    if (record != 1) finished.error = RecordError{Step::kExtraction, "image", "why", 0, 0};
    ASSERT_TRUE(writer->put(record, std::move(finished)));
  }
  ASSERT_TRUE(writer->publish());
  std::istringstream in(read_text(dir_.failures()));
  std::vector<std::string> found;
  for (std::string line; std::getline(in, line);) {
    const auto failure = nlohmann::json::parse(line);
    found.push_back(failure["line"].dump() + " " + failure["kind"].get<std::string>());
  }
  EXPECT_EQ(found, (std::vector<std::string>{"1 bad_line", "2 image", "3 bad_line", "5 image",
                                             "6 bad_line"}));
  EXPECT_EQ(writer->counts().failed, 2);
  EXPECT_EQ(writer->counts().done, 1);
}

// A limit on file size simulates a full disk.
TEST_F(OutputWriterTest, AfterAnErrorNothingIsTakenAnyMore) {
  constexpr int kRecords = 5;
  auto writer =
      OutputWriter::create({dir_, {Step::kExtraction}, 0, {}, "", no_failures_}, kRecords, {});
  ASSERT_TRUE(writer);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::vector<Status> statuses;
  for (std::uint32_t i = 0; i < kRecords; ++i) {
    FinishedRecord finished;
    finished.sample = *read_input_sample(R"({"image_path": "a.png", "caption": "c"})", "");
    finished.extraction = {std::string(5'000'000, 'c'), {}, ImageSize{1, 1}};
    statuses.push_back(writer->put(i, std::move(finished)));
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
  for (const Status& status : statuses) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message, statuses.front().error().message);
  }
}

}  // namespace
}  // namespace alig
