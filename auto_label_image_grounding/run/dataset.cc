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

std::uint64_t content_hash_of(const Sample& sample) {
  return hash_of(sample.image_path) * 31 + hash_of(sample.caption);
}

}  // namespace

Result<Dataset> Dataset::open(const std::filesystem::path& path, InputKind kind,
                              std::string image_root) {
  auto file = JsonlFile::open(path);
  if (!file) return tl::unexpected(file.error());
  auto again = JsonlFile::open(path);
  if (!again) return tl::unexpected(again.error());
  Dataset dataset(std::move(*again));
  for (;;) {
    auto line = file->next();
    if (!line) return tl::unexpected(line.error());
    if (!*line) break;
    const JsonlLine& found = **line;
    Status added;
    if (kind == InputKind::kCaptions) {
      auto sample = read_input_sample(found.text, image_root);
      if (sample) dataset.add(found.position, *sample);
      if (!sample) added = tl::unexpected(sample.error());
    } else {
      auto sample = read_extracted_sample(found.text);
      if (sample) dataset.add(found.position, sample->sample), dataset.note_expression_ids(*sample);
      if (!sample) added = tl::unexpected(sample.error());
    }
    if (!added) dataset.bad_lines_.push_back({found.position.number, added.error().message});
  }
  dataset.find_shared_ids();
  dataset.group_by_image();
  return dataset;
}

void Dataset::add(const LinePosition& position, const Sample& sample) {
  Entry entry;
  entry.position = position;
  entry.image_hash = hash_of(sample.image_path);
  entry.id_hash = hash_of(sanitise_id(sample.image_id));
  entry.content_hash = content_hash_of(sample);
  entries_.push_back(entry);
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
    if (std::from_chars(begin, text.data() + text.size(), number).ec == std::errc()) {
      next_expression_id_ = std::max(next_expression_id_, number + 1);
    }
  }
}

void Dataset::find_shared_ids() {
  std::vector<std::uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto key = [&](std::uint32_t i) {
    return std::tuple(entries_[i].id_hash, entries_[i].content_hash, i);
  };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    Entry& previous = entries_[order[i - 1]];
    Entry& entry = entries_[order[i]];
    if (entry.id_hash != previous.id_hash) continue;
    previous.shared = entry.shared = true;
    if (entry.content_hash == previous.content_hash) entry.ordinal = previous.ordinal + 1;
  }
}

void Dataset::group_by_image() {
  grouped_.resize(entries_.size());
  std::iota(grouped_.begin(), grouped_.end(), 0U);
  std::stable_sort(grouped_.begin(), grouped_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return entries_[a].image_hash < entries_[b].image_hash;
  });
  std::vector<std::pair<std::uint32_t, std::uint32_t>> groups;  // begin, end in grouped_
  for (std::uint32_t i = 0; i < grouped_.size(); ++i) {
    const bool starts =
        i == 0 || entries_[grouped_[i]].image_hash != entries_[grouped_[i - 1]].image_hash;
    if (starts) groups.emplace_back(i, i);
    groups.back().second = i + 1;
  }
  std::sort(groups.begin(), groups.end(),
            [&](const auto& a, const auto& b) { return grouped_[a.first] < grouped_[b.first]; });
  std::vector<std::uint32_t> ordered;
  ordered.reserve(grouped_.size());
  group_starts_ = {0};
  group_starts_.reserve(groups.size() + 1);
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
