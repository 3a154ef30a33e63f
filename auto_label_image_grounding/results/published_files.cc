#include "auto_label_image_grounding/results/published_files.h"

#include <algorithm>
#include <array>
#include <system_error>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/key_names.h"
#include "auto_label_image_grounding/results/stock_output.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr const char* kBadLines = "bad_lines_sha256";

// `file`: an annotations.jsonl.
fs::path digest_path(const fs::path& file) { return file.parent_path() / ".published.json"; }

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// What was recorded of a file; an empty object if nothing was.
Json read_digest(const fs::path& file) {
  const auto text = read_file(digest_path(file));
  Json digest = text ? parse_ordered_json(*text) : Json();
  return digest.is_object() ? digest : Json::object();
}

Status write_digest(const ResultsDir& dir, const fs::path& file, const Json& digest, Sync sync) {
  return write_file_atomically(digest_path(file), json_text(digest) + "\n", sync,
                               dir.temporaries());
}

// The recorded digests of all contents that the file may have without having been edited.
std::vector<Json> contents_in(Json published) {
  const Json previous = published.value("previous", Json::array());
  published.erase("previous");
  std::vector<Json> out;
  if (published.contains("sha256")) out.push_back(std::move(published));
  for (const Json& content : previous) {
    if (content.is_object()) out.push_back(content);
  }
  return out;
}

// The one whose digest it is; nullptr where there is none.
const Json* find_content(const std::vector<Json>& contents, const std::string& sha256) {
  const auto found = std::find_if(contents.begin(), contents.end(), [&](const Json& content) {
    return content.value("sha256", Json()) == sha256;
  });
  return found == contents.end() ? nullptr : &*found;
}

// Records `digest` in addition to those of the contents that the file may have until it is
// replaced.
Status announce_digest(const ResultsDir& dir, const fs::path& file, Json digest) {
  digest["previous"] = contents_in(read_digest(file));
  return write_digest(dir, file, digest, Sync::kYes);
}

Status settle_digest(const ResultsDir& dir, const fs::path& file) {
  Json digest = read_digest(file);
  digest.erase("previous");
  return write_digest(dir, file, digest, Sync::kNo);
}

}  // namespace

Result<bool> edited_since_published(const ResultsDir& dir, Step step,
                                    const std::function<Status()>& may_go_on) {
  const fs::path path = dir.step_annotations(step);
  const Json published = read_digest(path);
  if (!is_there(path)) return false;
  if (!published.contains("sha256")) {
    return step == Step::kExtraction ? edited_since_stock_run(dir, may_go_on) : false;
  }
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  return find_content(contents_in(published), *digest) == nullptr;
}

Status refuse_edited_outputs(const ResultsDir& dir, StepSet steps,
                             const std::function<Status()>& may_go_on) {
  for (const Step step : steps) {
    auto edited = edited_since_published(dir, step, may_go_on);
    if (!edited) return tl::unexpected(edited.error());
    if (!*edited) continue;
    const std::string keep = step == Step::kExtraction
                                 ? fmt::format("use it with {}=[\"1\"]", key::kSteps)
                                 : "move it away to keep it";
    return fail(
        ErrorKind::kInvalidArgument,
        fmt::format("{} was edited since it was written, and this run would replace it: {}, "
                    "or discard it with {}=true",
                    dir.step_annotations(step).string(), keep, key::kForceReprocess));
  }
  return {};
}

Result<std::optional<fs::path>> give_up_edits(const ResultsDir& dir, Step step) {
  // Now, for what it would be known by, its checkpoints, is about to go.
  auto kept = keep_unknown(dir, step);
  if (!kept || *kept) return kept;
  auto edited = edited_since_published(dir, step);
  if (!edited) return tl::unexpected(edited.error());
  if (!*edited) return std::nullopt;
  const fs::path path = dir.step_annotations(step);
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  Json noted = read_digest(path);
  noted["sha256"] = *digest;
  if (auto status = announce_digest(dir, path, std::move(noted)); !status) {
    return tl::unexpected(status.error());
  }
  return std::nullopt;
}

Status announce(const ResultsDir& dir, Step step, const Published& published) {
  Json digest = {{"sha256", published.sha256}};
  if (!published.bad_lines_sha256.empty()) digest[kBadLines] = published.bad_lines_sha256;
  return announce_digest(dir, dir.step_annotations(step), std::move(digest));
}

Status announce_copy(const ResultsDir& dir, const std::string& sha256) {
  return announce_digest(dir, dir.annotations(), {{"sha256", sha256}});
}

Status settle_published(const ResultsDir& dir, StepSet steps) {
  for (const Step step : steps) {
    if (auto status = settle_digest(dir, dir.step_annotations(step)); !status) return status;
  }
  return settle_digest(dir, dir.annotations());
}

Result<std::optional<fs::path>> keep_unknown(const ResultsDir& dir, Step step) {
  // An edited one has been refused before the run, or given up.
  const fs::path path = dir.step_annotations(step);
  if (!is_there(path) || read_digest(path).contains("sha256")) return std::nullopt;
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  auto kept = keep_previous(path);
  if (!kept) return tl::unexpected(kept.error());
  // It is safe now: a later run may replace it, where this one is killed before it does.
  auto status = write_digest(dir, path, {{"sha256", *digest}}, Sync::kYes);
  if (!status) return tl::unexpected(status.error());
  return *kept;
}

Result<std::optional<fs::path>> keep_unknown_copy(const ResultsDir& dir) {
  const fs::path path = dir.annotations();
  if (!is_there(path)) return std::nullopt;
  std::vector<Json> ours = contents_in(read_digest(path));
  for (const Step step :
       StepSet::all()) {  // where the file at the top was moved without its digest
    for (Json& content : contents_in(read_digest(dir.step_annotations(step)))) {
      ours.push_back(std::move(content));
    }
  }
  auto digest = sha256_of_file(path);
  if (!digest) return tl::unexpected(digest.error());
  if (find_content(ours, *digest) != nullptr) return std::nullopt;
  auto kept = keep_previous(path);
  if (!kept) return tl::unexpected(kept.error());
  return *kept;
}

Result<std::string> published_bad_lines(const ResultsDir& dir, Step step) {
  const fs::path path = dir.step_annotations(step);
  const std::vector<Json> contents = contents_in(read_digest(path));
  if (contents.empty()) return std::string();
  const Json* content = &contents.front();
  if (contents.size() > 1) {  // a run was killed before it replaced the file, or after it
    auto digest = sha256_of_file(path);
    if (!digest) return tl::unexpected(digest.error());
    if (const Json* found = find_content(contents, *digest)) content = found;
  }
  const Json noted = content->value(kBadLines, Json());
  return noted.is_string() ? noted.get<std::string>() : std::string();
}

}  // namespace alig
