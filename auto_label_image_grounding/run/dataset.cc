#include "auto_label_image_grounding/run/dataset.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

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

// Lines that are not blank: so that what is made for each has its size at once, and need not grow.
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

}  // namespace

Result<Dataset> Dataset::open(const std::filesystem::path& path, InputKind kind,
                              std::string image_root, const std::function<Status()>& may_go_on) {
  auto file = JsonlFile::open(path);
  if (!file) return tl::unexpected(file.error());
  auto again = JsonlFile::open(path);
  if (!again) return tl::unexpected(again.error());
  Watch watch(may_go_on);
  const auto lines = count_lines(path, watch);
  if (!lines) return tl::unexpected(lines.error());
  Dataset dataset(std::move(*again));
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
  const std::uint64_t image = hash_of(plain_path(sample.image_path));
  hashes.image.push_back(image);
  hashes.id.push_back(hash_of(sanitise_id(sample.image_id)));
  hashes.content.push_back(image * 31 + hash_of(sample.caption));
}

void Dataset::note_expression_ids(const ExtractedSample& sample) {
  constexpr std::string_view kPrefix = "expr_";
  for (const auto& expression : sample.sample.record.value("expressions")) {
    const auto id = expression.find("expression_id");
    if (id == expression.end() || !id->is_string()) continue;
    const auto& text = id->get_ref<const std::string&>();
    std::int64_t number = 0;
    if (text.rfind(kPrefix, 0) != 0) continue;
    const char* begin = text.data() + kPrefix.size();
    constexpr std::int64_t kLargest = std::int64_t{1} << 28;  // beyond, no id of ours is numbered
    const bool read = std::from_chars(begin, text.data() + text.size(), number).ec == std::errc();
    if (read && number < kLargest) {
      next_expression_id_ = std::max(next_expression_id_, number + 1);
    }
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
  return {sanitise_id(sample.image_id), sample_key(sample.image_path, sample.caption), entry.shared,
          entry.ordinal};
}

}  // namespace alig
