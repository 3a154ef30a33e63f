// The names of everything in results_dir, and the lock that keeps other runs out of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/step.h"

namespace alig {

struct ResultsDir {
  std::filesystem::path root;

  std::filesystem::path step_dir(Step step) const;
  std::filesystem::path step_annotations(Step step) const;
  std::filesystem::path checkpoints(Step step) const;
  std::filesystem::path annotations() const { return root / "annotations.jsonl"; }
  std::filesystem::path failures() const { return root / "failures.jsonl"; }
  std::filesystem::path summary() const { return root / "summary.json"; }
  // Internal files: the lock, an unfinished discard.
  std::filesystem::path state_dir() const { return root / ".state"; }
  // Unfinished files; emptied when a run starts.
  std::filesystem::path temporaries() const { return state_dir() / "tmp"; }

  // Creates state_dir and an empty folder for temporaries. Only while the lock is held. kIo.
  Status clean_temporaries() const;
};

// Whether a run of these steps could write there, without writing: checks each folder that it would
// write into, or the nearest existing parent. kIo.
Status check_writable(const ResultsDir& dir, StepSet steps);

// Held for the duration of a run. A kernel lock (flock) on a file: released if the holder dies, and
// effective between containers that share the file system.
class RunLock {
 public:
  // kInvalidArgument if another run holds it; names that run's host and pid. kIo.
  static Result<RunLock> acquire(const ResultsDir& dir);
  // The same error, without writing; does not hold the lock afterwards.
  static Status check(const ResultsDir& dir);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;
  ~RunLock();

 private:
  explicit RunLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace alig
