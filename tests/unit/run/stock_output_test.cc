#include "auto_label_image_grounding/results/stock_output.h"

#include "auto_label_image_grounding/data/checkpoint.h"
#include "auto_label_image_grounding/results/checkpoint_store.h"
#include "tests/unit/run/pipeline_fixture.h"

namespace alig {
namespace {

// A folder as the stock pipeline leaves it, with three records.
class StockFolder {
 public:
  explicit StockFolder(std::filesystem::path root, std::string images = "")
      : dir_{std::move(root)}, images_(std::move(images)) {
    add("a", "a cat", {"cat"});
    add("b", "a dog", {"dog"});
    add("c", "a cat and a dog", {"cat", "dog"});
  }

  json make(const json& id, const std::string& caption, const std::vector<std::string>& texts) {
    json out = {{"image_path", images_ + "p.png"},
                {"image_id", id},
                {"caption", caption},
                {"cleaned_caption", texts.empty() ? caption : caption + "."},
                {"expressions", json::array()},
                {"source", "image_grounding"},
                {"pipeline_steps", {"step0_expression_extraction"}}};
    if (id.is_string() && id != "") out["image_path"] = images_ + id.get<std::string>() + ".png";
    for (const std::string& text : texts) {
      out["expressions"].push_back({{"text", text},
                                    {"instances", json::array()},
                                    {"expression_id", "expr_" + std::to_string(next_id_++)},
                                    {"char_span", {0, 3}},
                                    {"noun_chunk", text}});
    }
    return out;
  }
  void checkpoint(const std::string& name, const json& record) {
    write_text(file(name), record.dump());
  }
  void add(const std::string& id, const std::string& caption,
           const std::vector<std::string>& texts) {
    lines.push_back(make(id, caption, texts));
    checkpoint(id, lines.back());
  }
  // What a run of ours leaves of a record.
  void our_checkpoint(const std::string& name, const json& record, const std::string& text) {
    const std::string path = "/root/" + record["image_path"].get<std::string>();
    const std::string caption = record["caption"];
    write_text(file(name), encode_checkpoint({"fingerprint", "model", path, caption},
                                             ExtractionResult{record["cleaned_caption"],
                                                              {{text, {}, text}},
                                                              ImageSize{4, 4}}));
  }
  std::filesystem::path file(const std::string& name) const {
    return dir_.checkpoints(Step::kExtraction) / (name + ".json");
  }
  void write() const {
    std::string text;
    for (const json& line : lines) text += line.dump() + "\n";
    write_text(dir_.step_annotations(Step::kExtraction), text);
  }
  bool is_edited() const {
    write();
    const auto edited = edited_since_stock_run(dir_);
    EXPECT_TRUE(edited) << edited.error().message;
    return edited.value_or(false);
  }

  std::vector<json> lines;
  const ResultsDir& dir() const { return dir_; }

 private:
  ResultsDir dir_;
  std::string images_;
  int next_id_ = 0;
};

class StockOutputTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  StockFolder stock_{folder_ / "out"};
};

TEST_F(StockOutputTest, AnUntouchedFileIsNotEdited) {
  EXPECT_FALSE(*edited_since_stock_run(stock_.dir())) << "no file yet";
  EXPECT_FALSE(stock_.is_edited());
  stock_.lines.push_back(stock_.make("failed", "x", {}));
  stock_.lines.push_back(stock_.make("coco/failed", "x", {}));
  stock_.lines.push_back(stock_.make(std::string(300, 'x'), "x", {}));
  stock_.lines.push_back(stock_.make(std::string("nul\0", 4), "x", {}));
  EXPECT_FALSE(stock_.is_edited()) << "failed records have no checkpoint";
  std::reverse(stock_.lines.begin(), stock_.lines.end());
  EXPECT_FALSE(stock_.is_edited()) << "nor does the order matter";
  stock_.lines.push_back(stock_.lines.back());
  EXPECT_FALSE(stock_.is_edited()) << "nor a line twice";
  stock_.lines.erase(stock_.lines.begin() + 4);
  std::filesystem::remove(stock_.file("c"));
  EXPECT_FALSE(stock_.is_edited()) << "this is how a record is asked about again";
}

TEST_F(StockOutputTest, WhatIsNoRecordIsAnEdit) {
  stock_.write();
  const auto path = stock_.dir().step_annotations(Step::kExtraction);
  const std::string lines = read_text(path);
  for (const std::string& text : {lines + "{\"image_path\": \n", lines + "not json\n",
                                  "not json\n" + lines, std::string(), std::string("not json\n")}) {
    write_text(path, text);
    EXPECT_TRUE(*edited_since_stock_run(stock_.dir())) << text;
  }
  write_text(path, lines + "{\"score\": NaN}\n");
  EXPECT_FALSE(*edited_since_stock_run(stock_.dir())) << "Python may have written it";
  std::filesystem::remove_all(stock_.dir().checkpoints(Step::kExtraction));
  write_text(path, "not json\n");
  EXPECT_FALSE(*edited_since_stock_run(stock_.dir())) << "not of a stock run";
}

TEST_F(StockOutputTest, CorrectionsAreEdits) {
  const auto edit = [&](auto change) {
    StockFolder stock(folder_ / "edited");
    change(stock.lines);
    return stock.is_edited();
  };
  EXPECT_TRUE(edit([](auto& lines) { lines[1]["cleaned_caption"] = "A dog."; }));
  EXPECT_TRUE(edit([](auto& lines) { lines[2]["expressions"].erase(0); }));
  EXPECT_TRUE(edit([](auto& lines) { lines[0]["expressions"][0]["text"] = "cats"; }));
  EXPECT_TRUE(edit([](auto& lines) { lines[0]["caption"] = "another"; }));
  EXPECT_TRUE(edit([](auto& lines) { lines[0]["note"] = 1; }));
  EXPECT_TRUE(edit([](auto& lines) {
    lines[0]["expressions"] = json::array();
    lines[0]["cleaned_caption"] = lines[0]["caption"];
  })) << "as one that failed, but its checkpoint is there";
  EXPECT_TRUE(edit([](auto& lines) { lines.erase(lines.begin()); }));
  EXPECT_TRUE(edit([](auto& lines) { lines.pop_back(); }));
}

TEST_F(StockOutputTest, AddedLabelsAreEdits) {
  stock_.lines.push_back(stock_.make("failed", "x", {}));
  ASSERT_FALSE(stock_.is_edited());
  stock_.lines.back() = stock_.make("failed", "x", {"x"});
  EXPECT_TRUE(stock_.is_edited()) << "a failed record, labelled by hand";
  stock_.lines.back() = stock_.make("failed", "x", {});
  stock_.lines.back()["cleaned_caption"] = "X.";
  EXPECT_TRUE(stock_.is_edited());
  stock_.lines.back() = {
      {"image_path", "new.png"}, {"caption", "x"}, {"expressions", {{{"text", "x"}}}}};
  EXPECT_TRUE(stock_.is_edited()) << "a line that says nothing of steps, among those that do";
}

TEST_F(StockOutputTest, ALineThatIsBrokenIsALostOne) {
  stock_.write();
  const auto path = stock_.dir().step_annotations(Step::kExtraction);
  std::string text = read_text(path);
  write_text(path, text.erase(text.rfind('}')) + "\n");
  EXPECT_TRUE(*edited_since_stock_run(stock_.dir()));
}

TEST_F(StockOutputTest, FilesOfOtherProgramsAreNotJudged) {
  for (json& line : stock_.lines) line.erase("pipeline_steps");
  stock_.lines[0]["cleaned_caption"] = "?";
  EXPECT_FALSE(stock_.is_edited());
}

TEST_F(StockOutputTest, RecordsWithoutAnIdGoByTheirPosition) {
  stock_.lines.push_back(stock_.make("", "p", {"p"}));
  stock_.checkpoint("3", stock_.lines[3]);
  stock_.lines.push_back(stock_.make(nullptr, "q", {"q"}));
  stock_.checkpoint("4", stock_.lines[4]);
  stock_.lines.push_back(stock_.make(0, "r", {"r"}));
  stock_.lines[5]["dataset_sample_id"] = 17;
  stock_.checkpoint("17", stock_.lines[5]);
  stock_.lines.push_back(stock_.make(42, "s", {"s"}));
  stock_.checkpoint("42", stock_.lines[6]);
  EXPECT_FALSE(stock_.is_edited());
  stock_.lines[4]["cleaned_caption"] = "?";
  EXPECT_TRUE(stock_.is_edited());
}

// The stock pipeline keeps one checkpoint for all of them.
TEST_F(StockOutputTest, RecordsThatShareAnIdCannotBeJudged) {
  stock_.lines.push_back(stock_.make("a", "another caption", {"another"}));
  EXPECT_FALSE(stock_.is_edited());
  stock_.lines.push_back(stock_.lines[0]);  // it also takes one record's for another's
  EXPECT_FALSE(stock_.is_edited());
  stock_.lines[4]["expressions"][0]["text"] = "cats";
  EXPECT_TRUE(stock_.is_edited());
}

TEST_F(StockOutputTest, AnExactDuplicateMayHaveItsOwnAnswer) {
  stock_.lines.push_back(stock_.make("a", "a cat", {"a cat"}));
  EXPECT_FALSE(stock_.is_edited());
  stock_.lines[0]["cleaned_caption"] = "corrected";
  EXPECT_TRUE(stock_.is_edited()) << "now no line is the checkpoint's";
}

TEST_F(StockOutputTest, IdsThatLeadOutOfTheFolderAreNotFollowed) {
  stock_.lines.push_back(stock_.make("../x", "x", {"x"}));
  stock_.lines.push_back(stock_.make("/etc/x", "x", {"x"}));
  EXPECT_FALSE(stock_.is_edited());
}

TEST_F(StockOutputTest, ADamagedCheckpointSaysNothing) {
  write_text(stock_.file("a"), "{\"image_path\": ");
  EXPECT_FALSE(stock_.is_edited());
  write_text(stock_.file("z"), "null");
  EXPECT_FALSE(stock_.is_edited());
}

TEST_F(StockOutputTest, ACheckpointThatCannotBeReadIsAnError) {
  std::filesystem::remove(stock_.file("a"));
  std::filesystem::create_directories(stock_.file("a"));
  stock_.write();
  const auto edited = edited_since_stock_run(stock_.dir());
  ASSERT_FALSE(edited);
  EXPECT_EQ(edited.error().kind, ErrorKind::kIo);
}

TEST_F(StockOutputTest, ReadingEndsWhenItMayNotGoOn) {
  stock_.write();
  const auto edited =
      edited_since_stock_run(stock_.dir(), [] { return fail(ErrorKind::kInterrupted, "stop"); });
  ASSERT_FALSE(edited);
  EXPECT_EQ(edited.error().kind, ErrorKind::kInterrupted);
}

// A run of ours that was interrupted has replaced stock checkpoints by its own.
TEST_F(StockOutputTest, OurCheckpointsAccountForLinesToo) {
  stock_.our_checkpoint("a", stock_.lines[0], "cat");
  EXPECT_FALSE(stock_.is_edited());
  stock_.lines.push_back(stock_.make("failed", "x", {}));
  stock_.our_checkpoint("failed", stock_.lines[3], "x");
  EXPECT_FALSE(stock_.is_edited()) << "labelled since by us";
  stock_.lines[0]["expressions"][0]["text"] = "cats";
  EXPECT_TRUE(stock_.is_edited());
}

TEST_F(StockOutputTest, AStockCheckpointThatGaveWayToOursIsFound) {
  const std::string name = "a-" + sample_key("a.png", "a cat");
  std::filesystem::rename(stock_.file("a"), stock_.file(name));
  stock_.our_checkpoint(
      "a", {{"image_path", "other/a.png"}, {"caption", "other"}, {"cleaned_caption", "other"}},
      "other");
  EXPECT_FALSE(stock_.is_edited());
  stock_.lines[0]["cleaned_caption"] = "corrected";
  EXPECT_TRUE(stock_.is_edited());
}

// Whole runs on such a folder: in.jsonl has the images a, b and c.
class StockFolderRunTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    std::string input;
    for (const json& line : stock_.lines) {
      input += json{{"image_path", line["image_path"]}, {"caption", line["caption"]}}.dump() + "\n";
    }
    write_text(folder_ / "in.jsonl", input);
    stock_.write();
    original_ = file();
  }
  Spec with_steps(StepSet steps, bool force = false) {
    Spec out = spec();
    out.workflow.steps = steps;
    out.workflow.force_reprocess = force;
    return out;
  }
  void correct() {
    stock_.lines[0]["cleaned_caption"] = "One cat.";
    stock_.write();
    corrected_ = file();
  }
  std::string file(const char* name = "annotations.jsonl") {
    return read_text(folder_ / "out" / "step_0_expression_extraction" / name);
  }
  StockFolder stock_{folder_ / "out", folder_.path().string() + "/"};
  FakeEndpoint endpoint_{good_answer};
  std::string original_, corrected_;
};

TEST_F(StockFolderRunTest, AnUneditedOneIsTakenOver) {
  const RunOutcome outcome = run(with_steps({Step::kExtraction}), endpoint_);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(endpoint_.requests(), 0);
  EXPECT_EQ(outcome.report.counts.stock_checkpoints, 3);
  EXPECT_EQ(file("annotations.previous.jsonl"), original_);
}

TEST_F(StockFolderRunTest, ACorrectedOneIsRefusedUsedOrDiscarded) {
  correct();
  for (const StepSet steps : {StepSet{Step::kExtraction}, StepSet::all()}) {
    const RunOutcome refused = run(with_steps(steps), endpoint_);
    ASSERT_FALSE(refused.status);
    EXPECT_EQ(refused.status.error().kind, ErrorKind::kInvalidArgument);
    EXPECT_THAT(refused.status.error().message, HasSubstr("steps=[\"1\"]"));
    EXPECT_THAT(refused.status.error().message, HasSubstr("force_reprocess=true"));
  }
  EXPECT_EQ(endpoint_.requests(), 0);
  ASSERT_TRUE(run(with_steps({Step::kGrounding}), endpoint_).status);
  EXPECT_EQ(records()[0]["cleaned_caption"], "One cat.");
  EXPECT_EQ(endpoint_.requests(), 3);
  EXPECT_FALSE(run(with_steps(StepSet::all()), endpoint_).status) << "it is still the person's";
  const RunOutcome forced = run(with_steps(StepSet::all(), true), endpoint_);
  ASSERT_TRUE(forced.status);
  EXPECT_EQ(endpoint_.requests(), 9);
  EXPECT_EQ(records()[0]["cleaned_caption"], "a cat");
  EXPECT_EQ(file("annotations.previous.jsonl"), corrected_);
  EXPECT_THAT(forced.report.warnings.front(), HasSubstr("annotations.previous.jsonl"));
}

TEST_F(StockFolderRunTest, AnInterruptedForcedRunGoesOn) {
  correct();
  Spec limited = with_steps({Step::kExtraction}, true);
  limited.workflow.max_requests = 1;
  limited.workflow.max_workers = 1;
  ASSERT_FALSE(run(limited, endpoint_).status);
  EXPECT_EQ(file(), corrected_) << "nothing is published before it is whole";
  const RunOutcome outcome = run(with_steps({Step::kExtraction}), endpoint_);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(endpoint_.requests(), 3);
  EXPECT_EQ(file("annotations.previous.jsonl"), corrected_);
}

// It is under way when the run ends: nothing is noted of the file, and some checkpoints are ours.
TEST_F(StockFolderRunTest, AnInterruptedTakeOverGoesOn) {
  write_text(folder_ / "in.jsonl", read_text(folder_ / "in.jsonl") +
                                       R"({"image_path": "a.png", "caption": "a dog"})" + "\n" +
                                       R"({"image_path": "b.png", "caption": "a cat"})" + "\n");
  Spec limited = with_steps({Step::kExtraction});
  limited.workflow.max_requests = 1;
  limited.workflow.max_workers = 1;
  ASSERT_FALSE(run(limited, endpoint_).status);
  const RunOutcome outcome = run(with_steps({Step::kExtraction}), endpoint_);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(endpoint_.requests(), 2);
}

}  // namespace
}  // namespace alig
