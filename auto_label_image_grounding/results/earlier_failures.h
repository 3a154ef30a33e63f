// What failures.jsonl says of step 0, for a run of step 1 alone: such a run replaces the file, and
// what failed before must stay in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/data/jsonl.h"

namespace alig {

// Keeps 24 bytes a failure; the failures themselves are read when they are due.
class EarlierFailures {
 public:
  EarlierFailures() = default;
  // Empty where there is no such file. Lines that tell of no failure of step 0 are passed over.
  // `bad_lines_sha256`: what is noted with step 0's output, see Published. kIo.
  static Result<EarlierFailures> open(const std::filesystem::path& path,
                                      const std::string& bad_lines_sha256);

  // The file tells of another run than the one whose output step 1 reads (a run of step 0 was
  // killed before it replaced the file, or the file was removed): nothing is taken from it.
  bool of_another_run() const { return of_another_run_; }

  // Lines of the input that hold no record, as failures.jsonl has them.
  std::size_t bad_lines() const { return bad_lines_.size(); }
  Result<std::string> bad_line(std::size_t index) const { return file_->read(bad_lines_[index]); }

  // What failures.jsonl says of a record that failed in step 0 with this error; nothing where it
  // does not. kIo.
  Result<std::optional<std::string>> find(std::string_view sample_id, std::string_view image_path,
                                          const RecordError& error) const;

 private:
  struct Entry {
    std::uint64_t hash = 0;  // of sample_id and image_path
    LinePosition position;
  };
  void add(const JsonlLine& line, Sha256& bad_lines_hash);

  std::optional<JsonlFile> file_;
  std::vector<LinePosition> bad_lines_;
  std::vector<Entry> records_;  // ordered by hash
  bool of_another_run_ = false;
};

}  // namespace alig
