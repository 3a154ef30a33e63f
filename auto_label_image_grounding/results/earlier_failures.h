// What failures.jsonl says of step 0, for a run of step 1 alone: such a run replaces the file, and
// must keep the earlier failures in it.
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

// Keeps 24 bytes per failure; the failures themselves are read when needed.
class EarlierFailures {
 public:
  EarlierFailures() = default;
  // Empty if there is no such file. Lines that are not about a failure of step 0 are skipped.
  // `bad_lines_sha256`: as recorded with step 0's output, see Published. kIo.
  static Result<EarlierFailures> open(const std::filesystem::path& path,
                                      const std::string& bad_lines_sha256);

  // The file is from another run than the output that step 1 reads (a run of step 0 was killed
  // before it replaced the file, or the file was removed): nothing is taken from it.
  bool of_another_run() const { return of_another_run_; }

  // Lines of the input that hold no record, as failures.jsonl has them.
  std::size_t bad_lines() const { return bad_lines_.size(); }
  Result<std::string> bad_line(std::size_t index) const { return file_->read(bad_lines_[index]); }

  // The line of failures.jsonl for a record that failed in step 0 with this error, if there is one.
  // kIo.
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
