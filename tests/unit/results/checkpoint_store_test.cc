#include "auto_label_image_grounding/results/checkpoint_store.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/support/temporary_folder.h"

namespace alig {
namespace {

class CheckpointStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(dir_.clean_temporaries());
    ASSERT_TRUE(store_.prepare({Step::kExtraction, Step::kGrounding}));
  }
  static CheckpointHeader header(const std::string& caption) {
    return {extraction_fingerprint({"a.jpg", caption, ""}), "m", "a.jpg", caption};
  }
  static SampleName name(const std::string& caption, bool shared, std::uint32_t ordinal = 1) {
    return {"a", sample_key("a.jpg", caption), shared, ordinal};
  }
  void save(const std::string& caption, const SampleName& sample) {
    ASSERT_TRUE(store_.save(Step::kExtraction, sample,
                            encode_checkpoint(header(caption), {caption, {}, ImageSize{1, 1}})));
  }
  bool found(const std::string& caption, const SampleName& sample) {
    const auto checkpoint = store_.find_extraction(sample, header(caption)).value();
    return checkpoint && checkpoint->checkpoint.result.cleaned_caption == caption;
  }
  TemporaryFolder folder_;
  ResultsDir dir_{folder_.path()};
  CheckpointStore store_{dir_};
};

TEST_F(CheckpointStoreTest, NamesAreReadableAndDifferent) {
  EXPECT_EQ(checkpoint_name(name("x", false)), "a");
  EXPECT_EQ(checkpoint_name(name("x", true)), "a-" + sample_key("a.jpg", "x"));
  EXPECT_EQ(checkpoint_name(name("x", true, 2)), "a-" + sample_key("a.jpg", "x") + "-2");
  EXPECT_NE(checkpoint_name(name("x", true)), checkpoint_name(name("y", true)));
}

TEST_F(CheckpointStoreTest, FindsWhatFits) {
  save("x", name("x", false));
  EXPECT_TRUE(found("x", name("x", false)));
  EXPECT_FALSE(found("y", name("y", false))) << "another caption";
}

TEST_F(CheckpointStoreTest, SurvivesInputThatGrowsAndShrinks) {
  save("x", name("x", false));
  EXPECT_TRUE(found("x", name("x", true))) << "its id became shared";
  EXPECT_FALSE(found("x", name("x", true, 2))) << "the copy is a sample of its own";
  save("y", name("y", true));
  EXPECT_TRUE(found("y", name("y", false))) << "its id is no longer shared";
}

// Two inputs that are labelled in one folder by turns.
TEST_F(CheckpointStoreTest, AnotherSampleOfTheSameNameIsNotLost) {
  save("x", name("x", false));
  save("y", name("y", false));
  EXPECT_TRUE(found("x", name("x", false)));
  EXPECT_TRUE(found("y", name("y", false)));
  const auto folder = dir_.checkpoints(Step::kExtraction);
  EXPECT_NE(read_text(folder / "a.json").find("\"y\""), std::string::npos) << "the last one";
  save("x", name("x", false));
  EXPECT_TRUE(found("x", name("x", false)));
  EXPECT_TRUE(found("y", name("y", false)));
}

TEST_F(CheckpointStoreTest, ADamagedFileIsReplaced) {
  const auto folder = dir_.checkpoints(Step::kExtraction);
  write_text(folder / "a.json", "{\"image_path\":");
  save("x", name("x", false));
  EXPECT_TRUE(found("x", name("x", false)));
  save("x", name("x", false));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(CheckpointStoreTest, DamagedFilesAreNone) {
  for (const char* text : {"", "{", "null", "{\"fingerprint\": 7}"}) {
    write_text(dir_.checkpoints(Step::kExtraction) / "a.json", text);
    EXPECT_FALSE(found("x", name("x", false))) << text;
  }
}

// It holds paid work: that it cannot be read (here: a folder) does not make it worthless.
TEST_F(CheckpointStoreTest, AFileThatCannotBeReadIsAnError) {
  const auto path = dir_.checkpoints(Step::kExtraction) / "a.json";
  std::filesystem::create_directories(path);
  const auto lookup = store_.find_extraction(name("x", false), header("x"));
  ASSERT_FALSE(lookup);
  EXPECT_EQ(lookup.error().kind, ErrorKind::kIo);
  EXPECT_NE(lookup.error().message.find(path.string()), std::string::npos);
  EXPECT_FALSE(store_.find_grounding(name("x", false), "f").value());
  EXPECT_FALSE(store_.save(Step::kExtraction, name("x", false), "text"));
}

TEST_F(CheckpointStoreTest, TakesOverStockCheckpointsThatMatch) {
  const std::string stock =
      R"({"image_path": "a.jpg", "caption": "x", "cleaned_caption": "X.", "width": 1920, "height": 1080,
          "expressions": [{"text": "x", "char_span": [0, 1], "instances": []}]})";
  write_text(dir_.checkpoints(Step::kExtraction) / "a.json", stock);
  const auto match = store_.find_extraction(name("x", false), header("x")).value();
  ASSERT_TRUE(match);
  EXPECT_TRUE(match->foreign);
  EXPECT_FALSE(store_.find_extraction(name("y", false), header("y")).value());
}

// Its path is the one of the input, without image_root: the same sample all the same.
TEST_F(CheckpointStoreTest, AStockCheckpointOfTheSampleIsReplaced) {
  const auto folder = dir_.checkpoints(Step::kExtraction);
  const CheckpointHeader ours = {extraction_fingerprint({"root/a.jpg", "x", ""}), "m", "root/a.jpg",
                                 "x"};
  const SampleName sample = {"a", sample_key("root/a.jpg", "x"), false};
  write_text(folder / "a.json",
             R"({"image_path": "a.jpg", "caption": "x", "cleaned_caption": "X.",
                 "expressions": []})");
  ASSERT_TRUE(store_.find_extraction(sample, ours).value());
  ASSERT_TRUE(
      store_.save(Step::kExtraction, sample, encode_checkpoint(ours, {"X.", {}, ImageSize{1, 1}})));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  EXPECT_FALSE(store_.find_extraction(sample, ours).value()->foreign);
}

TEST_F(CheckpointStoreTest, AnInterruptedDiscardIsCompleted) {
  save("x", name("x", false));
  write_text(dir_.state_dir() / "discard", "0");  // what a killed discard() leaves
  EXPECT_TRUE(*store_.is_discarding(Step::kExtraction));
  EXPECT_FALSE(*store_.is_discarding(Step::kGrounding));
  ASSERT_TRUE(store_.finish_discard());
  EXPECT_FALSE(*store_.is_discarding(Step::kExtraction));
  EXPECT_FALSE(found("x", name("x", false)));
  ASSERT_TRUE(store_.prepare({Step::kExtraction}));
  save("x", name("x", false));
  ASSERT_TRUE(store_.finish_discard());
  EXPECT_TRUE(found("x", name("x", false))) << "done once, not again";
}

TEST_F(CheckpointStoreTest, ADiscardThatCannotBeReadIsNotForgotten) {
  std::filesystem::create_directories(dir_.state_dir() / "discard");
  EXPECT_FALSE(store_.finish_discard());
  EXPECT_FALSE(store_.is_discarding(Step::kGrounding));
  EXPECT_TRUE(std::filesystem::exists(dir_.state_dir() / "discard"));
}

TEST_F(CheckpointStoreTest, DiscardLeavesTheOtherStep) {
  save("x", name("x", false));
  ASSERT_TRUE(store_.discard({Step::kGrounding}));
  EXPECT_TRUE(found("x", name("x", false)));
  ASSERT_TRUE(store_.discard({Step::kExtraction}));
  EXPECT_FALSE(found("x", name("x", false)));
}

TEST_F(CheckpointStoreTest, TheSecondRunIsRefusedByName) {
  auto first = RunLock::acquire(dir_);
  ASSERT_TRUE(first);
  const auto second = RunLock::acquire(dir_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("pid " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
}

TEST_F(CheckpointStoreTest, ALockIsSeenWithoutTakingIt) {
  EXPECT_TRUE(RunLock::check(dir_)) << "no run so far";
  {
    const auto holder = RunLock::acquire(dir_);
    const Status seen = RunLock::check(dir_);
    ASSERT_FALSE(seen);
    EXPECT_EQ(seen.error().message, RunLock::acquire(dir_).error().message);
  }
  EXPECT_TRUE(RunLock::check(dir_)) << "the file stays, the lock is free";
}

TEST_F(CheckpointStoreTest, ALockEndsWithItsHolder) {
  { auto first = RunLock::acquire(dir_); }
  EXPECT_TRUE(RunLock::acquire(dir_));
}

TEST_F(CheckpointStoreTest, CountsWhatALossOfPowerWouldCost) {
  EXPECT_EQ(store_.unsynced(), 0);
  save("x", name("x", false));
  save("y", name("y", true));
  EXPECT_EQ(store_.unsynced(), 2);
  EXPECT_TRUE(store_.sync());
  EXPECT_EQ(store_.unsynced(), 0);
  const CheckpointStore nowhere(ResultsDir{folder_ / "nowhere"});
  EXPECT_FALSE(nowhere.sync());
}

}  // namespace
}  // namespace alig
