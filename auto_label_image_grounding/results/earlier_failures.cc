#include "auto_label_image_grounding/results/earlier_failures.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"

namespace alig {
namespace {

using nlohmann::json;

std::uint64_t hash_of(std::string_view sample_id, std::string_view image_path) {
  const std::hash<std::string_view> hash;
  return hash(sample_id) * 31 + hash(image_path);
}

}  // namespace

Result<EarlierFailures> EarlierFailures::open(const std::filesystem::path& path,
                                              const std::string& bad_lines_sha256) {
  EarlierFailures out;
  auto file = JsonlFile::open(path);
  if (!file && file.error().kind == ErrorKind::kNotFound) {
    out.of_another_run_ = !bad_lines_sha256.empty();
    return out;
  }
  if (!file) return tl::unexpected(file.error());
  out.file_.emplace(std::move(*file));
  Sha256 hash;
  for (;;) {
    auto line = out.file_->next();
    if (!line) return tl::unexpected(line.error());
    if (!*line) break;
    out.add(**line, hash);
  }
  const std::string found = out.bad_lines_.empty() ? "" : hash.finish_hex();
  if (found != bad_lines_sha256) {
    EarlierFailures nothing;
    nothing.of_another_run_ = true;
    return nothing;
  }
  std::sort(out.records_.begin(), out.records_.end(),
            [](const Entry& a, const Entry& b) { return a.hash < b.hash; });
  return out;
}

void EarlierFailures::add(const JsonlLine& line, Sha256& bad_lines_hash) {
  const json failure = parse_json(line.text);
  if (!failure.is_object()) return;
  const bool of_input = failure.value("step", json()).is_null();
  if (of_input && text_at(failure, "kind") == "bad_line") {
    bad_lines_.push_back(line.position);
    bad_lines_hash.add(line.text);
    bad_lines_hash.add("\n");
  }
  if (text_at(failure, "step") != name_of(Step::kExtraction)) return;
  records_.push_back(
      {hash_of(text_at(failure, "sample_id"), text_at(failure, "image_path")), line.position});
}

Result<std::optional<std::string>> EarlierFailures::find(std::string_view sample_id,
                                                         std::string_view image_path,
                                                         const RecordError& error) const {
  const std::uint64_t hash = hash_of(sample_id, image_path);
  auto entry =
      std::lower_bound(records_.begin(), records_.end(), hash,
                       [](const Entry& e, std::uint64_t wanted) { return e.hash < wanted; });
  for (; entry != records_.end() && entry->hash == hash; ++entry) {
    auto line = file_->read(entry->position);
    if (!line) return tl::unexpected(line.error());
    const json failure = parse_json(*line);
    if (text_at(failure, "sample_id") != sample_id) continue;
    if (text_at(failure, "image_path") != image_path) continue;
    // Otherwise it is from another run: one that was killed before it replaced the file wrote the
    // record.
    const bool same =
        text_at(failure, "kind") == error.kind && text_at(failure, "message") == error.message;
    if (same) return std::move(*line);
  }
  return std::nullopt;
}

}  // namespace alig
