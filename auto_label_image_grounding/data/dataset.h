// The input, indexed once: where each record is, which records share an image, which share an id.
// Keeps at most 64 bytes per record in memory; the records themselves are read when needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/jsonl.h"
#include "auto_label_image_grounding/data/sample.h"
#include "auto_label_image_grounding/data/sample_name.h"

namespace alig {

// An input line that holds no record.
struct BadLine {
  std::uint32_t number = 0;
  std::string message;
};

enum class InputKind {
  kCaptions,   // the user's input_jsonl
  kExtracted,  // step 0's annotations.jsonl, for step 1 alone
};

// Immutable after open(); every method may be called from any thread.
class Dataset {
 public:
  // `may_go_on`, if given, is called every few thousand lines; its error ends the reading.
  static Result<Dataset> open(const std::filesystem::path& path, InputKind kind,
                              const std::string& image_root,
                              const std::function<Status()>& may_go_on = {});

  std::size_t size() const { return entries_.size(); }
  std::size_t groups() const { return group_starts_.size() - 1; }
  const std::vector<BadLine>& bad_lines() const { return bad_lines_; }
  // The record positions of a group (usually one image), ascending. Groups are ordered by their
  // first record. Grouping is by hash: whoever loads a group must compare the paths themselves, as
  // normalised by lexical_path().
  std::span<const std::uint32_t> group(std::size_t index) const;

  Result<std::string> line(std::size_t record) const;
  std::uint32_t line_number(std::size_t record) const { return entries_[record].position.number; }
  // The sample's name for its checkpoints; `sample` is the parsed record.
  SampleName name_of(std::size_t record, const Sample& sample) const;

  // For data.unique_image_ids: finds the records that must be written with another id than their
  // own. Reads the input once more. kIo, and errors of `may_go_on`.
  Status make_ids_unique(const std::function<Status()>& may_go_on = {});
  // That id: the record's own with the suffix of its checkpoint's name. Nothing if the record keeps
  // its own, as it does if no other record shares it.
  std::optional<std::string> unique_id(std::size_t record, const Sample& sample) const;

  // kExtracted: the number after the largest expression id in the file, for expressions added by
  // hand.
  std::int64_t next_expression_id() const { return next_expression_id_; }

 private:
  struct Entry {            // 24 bytes
    LinePosition position;  // 16 of them
    std::uint32_t ordinal = 1;
    bool shared = false;
    bool renamed = false;  // is written with another id than its own
  };
  // What records are compared by while the index is built: one of each per record.
  struct Hashes {
    std::vector<std::uint64_t> image, id, content;
  };

  Dataset(JsonlFile file, InputKind kind, std::string image_root)
      : file_(std::move(file)), kind_(kind), image_root_(std::move(image_root)) {}
  void add(const LinePosition& position, const Sample& sample, Hashes& hashes);
  void note_expression_ids(const ExtractedSample& sample);
  void find_shared_ids(const Hashes& hashes);
  void group_by_image(const std::vector<std::uint64_t>& image_hashes);
  Result<Sample> read_again(std::size_t record) const;
  std::string suffixed_id(std::size_t record, const Sample& sample) const;
  Status rename_lookalikes(const std::vector<std::uint32_t>& lookalikes,
                           const std::vector<std::uint64_t>& ids);

  JsonlFile file_;
  InputKind kind_;
  std::string image_root_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> grouped_;       // record positions, group after group
  std::vector<std::uint32_t> group_starts_;  // into grouped_, one more than groups
  std::vector<BadLine> bad_lines_;
  std::int64_t next_expression_id_ = 0;
};

}  // namespace alig
