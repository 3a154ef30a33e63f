#include "auto_label_image_grounding/results/checkpoint_store.h"

#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/hash.h"

namespace alig {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDiscardMarker = "discard";

fs::path file_of(const fs::path& folder, const std::string& name) {
  return folder / (name + ".json");
}

// Nothing if there is no such file.
Result<std::optional<std::string>> read_checkpoint(const fs::path& path) {
  auto text = read_file(path);
  if (text) return std::move(*text);
  if (text.error().kind == ErrorKind::kNotFound) return std::nullopt;
  return fail(ErrorKind::kIo,
              text.error().message + ": make it readable, or remove it to label its sample again");
}

bool fits(const CheckpointHeader& found, const CheckpointHeader& wanted) {
  if (!found.fingerprint.empty()) return found.fingerprint == wanted.fingerprint;
  return found.caption == wanted.caption && same_image(found.image_path, wanted.image_path);
}

}  // namespace

Status CheckpointStore::prepare(StepSet steps) const {
  for (const Step step : steps) {
    if (auto status = make_directories(dir_.checkpoints(step)); !status) return status;
  }
  return {};
}

bool CheckpointStore::holds_any(Step step) const {
  std::error_code code;
  const fs::directory_iterator first(dir_.checkpoints(step), code);
  return code ? code != std::errc::no_such_file_or_directory : first != fs::directory_iterator();
}

Status CheckpointStore::discard(StepSet steps) const {
  std::string marker;
  for (const Step step : steps) marker += name_of(step);
  auto status = write_file_atomically(dir_.state_dir() / kDiscardMarker, marker, Sync::kYes,
                                      dir_.temporaries());
  return status ? finish_discard() : status;
}

Status CheckpointStore::finish_discard() const {
  const fs::path marker = dir_.state_dir() / kDiscardMarker;
  for (const Step step : StepSet::all()) {
    const auto wanted = is_discarding(step);
    if (!wanted) return tl::unexpected(wanted.error());
    if (!*wanted) continue;
    std::error_code code;
    fs::remove_all(dir_.checkpoints(step), code);
    if (code) {
      return fail(ErrorKind::kIo, fmt::format("cannot remove {}: {}",
                                              dir_.checkpoints(step).string(), code.message()));
    }
  }
  std::error_code ignored;
  fs::remove(marker, ignored);
  return {};
}

Result<bool> CheckpointStore::is_discarding(Step step) const {
  const auto steps = read_file(dir_.state_dir() / kDiscardMarker);
  if (steps) return steps->find(name_of(step)) != std::string::npos;
  if (steps.error().kind == ErrorKind::kNotFound) return false;
  return tl::unexpected(steps.error());
}

std::vector<fs::path> CheckpointStore::candidates(Step step, const SampleName& name) const {
  const fs::path folder = dir_.checkpoints(step);
  std::vector<fs::path> out = {file_of(folder, checkpoint_name(name))};
  SampleName other = name;
  other.shared = !name.shared;
  // A second exact duplicate must not take the first one's file.
  if (name.ordinal == 1) out.push_back(file_of(folder, checkpoint_name(other)));
  return out;
}

Result<std::optional<CheckpointStore::FoundExtraction>> CheckpointStore::find_extraction(
    const SampleName& name, const CheckpointHeader& wanted) const {
  for (const fs::path& path : candidates(Step::kExtraction, name)) {
    const auto text = read_checkpoint(path);
    if (!text) return tl::unexpected(text.error());
    if (!*text) continue;
    auto checkpoint = decode_extraction_checkpoint(**text);
    if (!checkpoint || !fits(checkpoint->header, wanted)) continue;
    const bool foreign = checkpoint->header.fingerprint.empty();
    return FoundExtraction{std::move(*checkpoint), foreign};
  }
  return std::nullopt;
}

Result<std::optional<GroundingCheckpoint>> CheckpointStore::find_grounding(
    const SampleName& name, const std::string& fingerprint) const {
  for (const fs::path& path : candidates(Step::kGrounding, name)) {
    const auto text = read_checkpoint(path);
    if (!text) return tl::unexpected(text.error());
    if (!*text) continue;
    auto checkpoint = decode_grounding_checkpoint(**text);
    if (checkpoint && checkpoint->header.fingerprint == fingerprint) return std::move(*checkpoint);
  }
  return std::nullopt;
}

Status CheckpointStore::save(Step step, const SampleName& name, std::string_view text) const {
  ++unsynced_;
  return write_new_file_atomically(file_of(dir_.checkpoints(step), checkpoint_name(name)), text,
                                   dir_.temporaries(), [&] { return make_room(step, name, text); });
}

Status CheckpointStore::make_room(Step step, const SampleName& name, std::string_view text) const {
  if (name.shared) return {};  // the name holds the key: it is the sample's own
  const fs::path path = file_of(dir_.checkpoints(step), checkpoint_name(name));
  const auto standing = read_checkpoint(path);
  if (!standing) return tl::unexpected(standing.error());
  const auto header = decode_checkpoint_header(standing->value_or(""));
  if (!header) return {};  // damaged
  const bool stock = header->fingerprint.empty();
  if (const auto ours = decode_checkpoint_header(text); stock && ours && fits(*header, *ours)) {
    return {};  // this sample's, as the stock pipeline left it
  }
  SampleName theirs{name.sample_id, sample_key(header->image_path, header->caption), true};
  if (theirs.key == name.key) return {};
  std::error_code code;
  fs::rename(path, file_of(dir_.checkpoints(step), checkpoint_name(theirs)), code);
  if (!code) return {};
  return fail(ErrorKind::kIo, fmt::format("cannot rename {}: {}", path.string(), code.message()));
}

Status CheckpointStore::sync() const {
  unsynced_ = 0;  // before: what is saved meanwhile belongs to the next call
  return sync_filesystem(dir_.root);
}

}  // namespace alig
