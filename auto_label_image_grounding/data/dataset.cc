#include "auto_label_image_grounding/data/dataset.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <numeric>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/data/expression_id.h"

namespace alig {
namespace {

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

// Asks every few thousand lines, so that an interrupt is heard within a second.
class Watch {
 public:
  explicit Watch(const std::function<Status()>& may_go_on) : may_go_on_(may_go_on) {}
  Status next_line() {
    constexpr std::size_t kLines = 4096;
    return may_go_on_ && ++lines_ % kLines == 0 ? may_go_on_() : Status();
  }

 private:
  const std::function<Status()>& may_go_on_;
  std::size_t lines_ = 0;
};

// Counts the lines that are not blank, so that per-line containers get their final size at once.
Result<std::size_t> count_lines(const std::filesystem::path& path, Watch& watch) {
  auto file = JsonlFile::open(path);
  if (!file) return tl::unexpected(file.error());
  for (std::size_t count = 0;; ++count) {
    auto line = file->next();
    if (!line) return tl::unexpected(line.error());
    if (!*line) return count;
    if (auto status = watch.next_line(); !status) return tl::unexpected(status.error());
  }
}

// The id as compared between records: 7, 7.0 and "7" are equal.
std::string comparable_id(const Sample& sample) {
  const nlohmann::json id = sample.record.value("image_id");
  constexpr double kLargest = 1e15;  // whole numbers up to there are exact
  if (!id.is_number()) return sample.image_id;
  const auto value = id.get<double>();
  const bool whole = std::abs(value) <= kLargest && value == std::floor(value);
  return whole ? std::to_string(static_cast<std::int64_t>(value)) : json_text(id);
}

// Takes "-<16 hex digits>" or "-<16 hex digits>-<number>" off the end; "" where it is not there.
std::string_view take_suffix(std::string_view& id) {
  constexpr std::size_t kDigits = 16;
  const auto digits_end = [&](std::size_t end, const char* digits) {
    const std::size_t found = id.substr(0, end).find_last_not_of(digits);
    return found == id.npos ? std::size_t{0} : found + 1;
  };
  std::size_t end = id.size();
  const std::size_t number = digits_end(end, "0123456789");
  if (number > 0 && id[number - 1] == '-' && end - number > 0 && end - number != kDigits) {
    end = number - 1;
  }
  if (end <= kDigits || id[end - kDigits - 1] != '-') return {};
  if (digits_end(end, "0123456789abcdef") > end - kDigits) return {};
  const std::string_view suffix = id.substr(end - kDigits - 1);
  id.remove_suffix(suffix.size());
  return suffix;
}

}  // namespace

Result<Dataset> Dataset::open(const std::filesystem::path& path, InputKind kind,
                              const std::string& image_root,
                              const std::function<Status()>& may_go_on) {
  auto file = JsonlFile::open(path);
  if (!file) return tl::unexpected(file.error());
  auto again = JsonlFile::open(path);
  if (!again) return tl::unexpected(again.error());
  Watch watch(may_go_on);
  const auto lines = count_lines(path, watch);
  if (!lines) return tl::unexpected(lines.error());
  Dataset dataset(std::move(*again), kind, image_root);
  Hashes hashes;
  dataset.entries_.reserve(*lines);
  for (auto* list : {&hashes.image, &hashes.id, &hashes.content}) list->reserve(*lines);
  for (;;) {
    auto line = file->next();
    if (!line) return tl::unexpected(line.error());
    if (!*line) break;
    if (auto status = watch.next_line(); !status) return tl::unexpected(status.error());
    const JsonlLine& found = **line;
    Status added;
    if (kind == InputKind::kCaptions) {
      auto sample = read_input_sample(found.text, image_root);
      if (sample) dataset.add(found.position, *sample, hashes);
      if (!sample) added = tl::unexpected(sample.error());
    } else {
      auto sample = read_extracted_sample(found.text);
      if (sample)
        dataset.add(found.position, sample->sample, hashes), dataset.note_expression_ids(*sample);
      if (!sample) added = tl::unexpected(sample.error());
    }
    if (!added) dataset.bad_lines_.push_back({found.position.number, added.error().message});
  }
  dataset.find_shared_ids(hashes);
  hashes.id = {};
  hashes.content = {};
  dataset.group_by_image(hashes.image);
  return dataset;
}

void Dataset::add(const LinePosition& position, const Sample& sample, Hashes& hashes) {
  Entry entry;
  entry.position = position;
  entries_.push_back(entry);
  const std::uint64_t image = hash_of(lexical_path(sample.image_path));
  hashes.image.push_back(image);
  hashes.id.push_back(hash_of(sanitise_id(sample.image_id)));
  hashes.content.push_back(image * 31 + hash_of(sample.caption));
}

void Dataset::note_expression_ids(const ExtractedSample& sample) {
  for (const auto& expression : sample.sample.record.value("expressions")) {
    const auto number = expression_number(text_at(expression, "expression_id"));
    if (number) next_expression_id_ = std::max(next_expression_id_, *number + 1);
  }
}

void Dataset::find_shared_ids(const Hashes& hashes) {
  std::vector<std::uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto key = [&](std::uint32_t i) { return std::tuple(hashes.id[i], hashes.content[i], i); };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::uint32_t a = order[i - 1], b = order[i];
    if (hashes.id[a] != hashes.id[b]) continue;
    entries_[a].shared = entries_[b].shared = true;
    if (hashes.content[a] == hashes.content[b]) entries_[b].ordinal = entries_[a].ordinal + 1;
  }
}

void Dataset::group_by_image(const std::vector<std::uint64_t>& image_hashes) {
  grouped_.resize(entries_.size());
  std::iota(grouped_.begin(), grouped_.end(), 0U);
  const auto key = [&](std::uint32_t i) { return std::pair(image_hashes[i], i); };
  std::sort(grouped_.begin(), grouped_.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  const auto starts_group = [&](std::size_t i) {
    return i == 0 || image_hashes[grouped_[i]] != image_hashes[grouped_[i - 1]];
  };
  std::size_t count = 0;
  for (std::size_t i = 0; i < grouped_.size(); ++i) count += starts_group(i) ? 1 : 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> groups;  // begin, end in grouped_
  groups.reserve(count);
  for (std::uint32_t i = 0; i < grouped_.size(); ++i) {
    if (starts_group(i)) groups.emplace_back(i, i);
    groups.back().second = i + 1;
  }
  std::sort(groups.begin(), groups.end(),
            [&](const auto& a, const auto& b) { return grouped_[a.first] < grouped_[b.first]; });
  std::vector<std::uint32_t> ordered;
  ordered.reserve(grouped_.size());
  group_starts_.reserve(count + 1);
  group_starts_.push_back(0);
  for (const auto& [begin, end] : groups) {
    ordered.insert(ordered.end(), grouped_.begin() + begin, grouped_.begin() + end);
    group_starts_.push_back(static_cast<std::uint32_t>(ordered.size()));
  }
  grouped_ = std::move(ordered);
}

std::span<const std::uint32_t> Dataset::group(std::size_t index) const {
  const std::uint32_t begin = group_starts_[index];
  return {grouped_.data() + begin, group_starts_[index + 1] - begin};
}

Result<std::string> Dataset::line(std::size_t record) const {
  return file_.read(entries_[record].position);
}

SampleName Dataset::name_of(std::size_t record, const Sample& sample) const {
  const Entry& entry = entries_[record];
  SampleName name{sanitise_id(sample.image_id), sample_key(sample.image_path, sample.caption),
                  entry.shared, entry.ordinal};
  if (kind_ != InputKind::kExtracted || entry.shared) return name;
  // An id that step 0 made unique: its checkpoints go by the one that the input has.
  std::string_view id = sample.image_id;
  const std::string_view suffix = take_suffix(id);
  if (suffix.substr(0, name.key.size() + 1) != "-" + name.key || id.empty()) return name;
  const std::string_view ordinal = suffix.substr(std::min(suffix.size(), name.key.size() + 2));
  std::from_chars(ordinal.data(), ordinal.data() + ordinal.size(), name.ordinal);
  return {sanitise_id(id), name.key, true, name.ordinal};
}

Result<Sample> Dataset::read_again(std::size_t record) const {
  auto text = line(record);
  if (!text) return tl::unexpected(text.error());
  auto sample = read_input_sample(*text, image_root_);
  if (sample) return sample;
  return fail(ErrorKind::kIo, "the input changed meanwhile: " + sample.error().message);
}

std::string Dataset::suffixed_id(std::size_t record, const Sample& sample) const {
  return sample.image_id + suffix_of({"", sample_key(sample.image_path, sample.caption), true,
                                      entries_[record].ordinal});
}

std::optional<std::string> Dataset::unique_id(std::size_t record, const Sample& sample) const {
  if (!entries_[record].renamed) return std::nullopt;
  return suffixed_id(record, sample);
}

Status Dataset::make_ids_unique(const std::function<Status()>& may_go_on) {
  Watch watch(may_go_on);
  std::vector<std::uint64_t> ids;
  ids.reserve(entries_.size());
  std::vector<std::uint32_t> lookalikes;
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (auto status = watch.next_line(); !status) return status;
    const auto sample = read_again(i);
    if (!sample) return tl::unexpected(sample.error());
    const std::string id = comparable_id(*sample);
    ids.push_back(hash_of(id));
    if (std::string_view rest = id; !take_suffix(rest).empty()) lookalikes.push_back(i);
  }
  std::vector<std::uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return ids[a] < ids[b]; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::uint32_t a = order[i - 1], b = order[i];
    if (ids[a] == ids[b]) entries_[a].renamed = entries_[b].renamed = true;
  }
  return rename_lookalikes(lookalikes, ids);
}

// The id that is made for one record may be what another is called already; that one is renamed
// too, and so on. In the end no two are equal: an id that stays is none that was made, and two that
// were made differ, for their suffixes can be read off them, and records with one id and one
// suffix do not exist (exact duplicates have ordinals).
Status Dataset::rename_lookalikes(const std::vector<std::uint32_t>& lookalikes,
                                  const std::vector<std::uint64_t>& ids) {
  if (lookalikes.empty()) return {};
  std::unordered_set<std::uint64_t> made;
  const auto make = [&](std::uint32_t record) -> Status {
    const auto sample = read_again(record);
    if (!sample) return tl::unexpected(sample.error());
    made.insert(hash_of(suffixed_id(record, *sample)));
    return {};
  };
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].renamed) continue;
    if (auto status = make(i); !status) return status;
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (const std::uint32_t i : lookalikes) {
      if (entries_[i].renamed || !made.contains(ids[i])) continue;
      entries_[i].renamed = changed = true;
      if (auto status = make(i); !status) return status;
    }
  }
  return {};
}

}  // namespace alig
