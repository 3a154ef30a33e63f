// Finished samples on disk: <step folder>/.ckpt/<sample_id>.json, one file each.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/checkpoint.h"
#include "auto_label_image_grounding/data/sample_name.h"
#include "auto_label_image_grounding/results/results_dir.h"

namespace alig {

// Usable from any thread, each sample from one thread at a time.
class CheckpointStore {
 public:
  explicit CheckpointStore(ResultsDir dir) : dir_(std::move(dir)) {}

  // Creates the folders of the steps. kIo.
  Status prepare(StepSet steps) const;
  // False if the step's folder is empty or missing, so that looking for a sample is pointless.
  bool holds_any(Step step) const;

  // Deletes all checkpoints of the steps. Survives being killed half-way: the next call of
  // finish_discard() completes it.
  Status discard(StepSet steps) const;
  Status finish_discard() const;
  // Whether finish_discard() will delete the step's checkpoints. kIo.
  Result<bool> is_discarding(Step step) const;

  struct FoundExtraction {
    ExtractionCheckpoint checkpoint;
    bool foreign = false;  // the stock pipeline's: no fingerprint, matched by caption and path
  };
  // The checkpoint whose fingerprint matches, if any. Damaged files count as none; kIo if a file
  // exists but cannot be read: its contents must not be paid for again. A name is looked up in both
  // spellings, so that input that grew or shrank between runs (an id that became shared, or no
  // longer is) still finds its finished samples.
  Result<std::optional<FoundExtraction>> find_extraction(const SampleName& name,
                                                         const CheckpointHeader& wanted) const;
  Result<std::optional<GroundingCheckpoint>> find_grounding(const SampleName& name,
                                                            const std::string& fingerprint) const;

  // Atomic; durable against a process crash at once, against power loss once sync() has been
  // called. If another sample's checkpoint has the name (two inputs labelled in turn in one
  // folder), that one is renamed to its own name with a suffix. `text`: encode_checkpoint().
  Status save(Step step, const SampleName& name, std::string_view text) const;
  // Number of samples saved since the last sync().
  std::int64_t unsynced() const { return unsynced_; }
  Status sync() const;

 private:
  Status make_room(Step step, const SampleName& name, std::string_view text) const;
  std::vector<std::filesystem::path> candidates(Step step, const SampleName& name) const;
  ResultsDir dir_;
  mutable std::atomic<std::int64_t> unsynced_{0};
};

}  // namespace alig
