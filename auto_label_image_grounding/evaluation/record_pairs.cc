#include "auto_label_image_grounding/evaluation/record_pairs.h"

#include <algorithm>
#include <compare>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace alig {
namespace {

// Names file and line of a record that cannot be read, and what was expected there.
tl::unexpected<Error> complain(const std::filesystem::path& path, std::uint32_t line,
                               const Error& error, const char* expected) {
  return fail(error.kind,
              fmt::format("{}:{}: {} (expected {})", path.string(), line, error.message, expected));
}

constexpr const char* kTruthForm =
    R"(a line of truth: {"image_path", "caption", "gt": [{"phrase", "boxes": [[x1,y1,x2,y2]]}]})";
constexpr const char* kAnnotationForm = "a line of annotations.jsonl of step 1";

// More of a path's end would only cost memory: what is found is compared in full.
constexpr std::size_t kMaxFolders = 4;

// The ends of a path by whole folders, the shortest first: c.jpg, b/c.jpg, a/b/c.jpg.
std::vector<std::string_view> path_ends(std::string_view path) {
  std::vector<std::string_view> out;
  for (std::size_t slash = path.rfind('/');; slash = path.rfind('/', slash - 1)) {
    out.push_back(slash == path.npos ? path : path.substr(slash + 1));
    if (slash == path.npos || slash == 0 || out.size() == kMaxFolders) return out;
  }
}

std::size_t key_of(std::string_view path_end, const std::string& caption) {
  return std::hash<std::string>()(std::string(path_end) + '\n' + caption);
}

// The positions of the annotations, by every suffix of their paths: by file name alone, folders of
// equal names and captions (frame_0001.jpg of a thousand videos) would all have to be read again
// for each record. Filled, then sorted, then queried.
class PredictionIndex {
 public:
  void add(const PredictedRecord& record, const LinePosition& position) {
    const auto number = static_cast<std::uint32_t>(positions_.size());
    positions_.push_back(position);
    for (const std::string_view end : path_ends(record.image_path)) {
      entries_.push_back({key_of(end, record.caption), number});
    }
  }
  void sort() {
    std::sort(entries_.begin(), entries_.end());
    taken_.resize(positions_.size());
  }

  // Those not yet taken that may belong to the truth, in the order of the file.
  std::vector<std::uint32_t> candidates(const TruthRecord& truth) const {
    std::vector<std::uint32_t> out;
    const std::size_t key = key_of(path_ends(truth.image_path).back(), truth.caption);
    for (auto at = std::lower_bound(entries_.begin(), entries_.end(), Entry{key, 0});
         at != entries_.end() && at->key == key; ++at) {
      if (!taken_[at->number]) out.push_back(at->number);
    }
    return out;
  }
  const LinePosition& position(std::uint32_t number) const { return positions_[number]; }
  void take(std::uint32_t number) { taken_[number] = true; }

 private:
  struct Entry {
    std::size_t key;
    std::uint32_t number;  // into positions_
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<Entry> entries_;
  std::vector<LinePosition> positions_;
  std::vector<bool> taken_;
};

// The annotations: taken in turn while they follow the truth, looked up afterwards.
class Predictions {
 public:
  static Result<Predictions> open(const std::filesystem::path& path) {
    auto file = JsonlFile::open(path);
    if (!file) return tl::unexpected(file.error());
    return Predictions(path, std::move(*file));
  }

  struct Found {
    std::optional<PredictedRecord> record;
    std::uint32_t line = 0;
  };
  Result<Found> find(const TruthRecord& truth) {
    if (side_by_side_) {
      auto next = read_next();
      if (!next) return tl::unexpected(next.error());
      if (!next->record) return Found{};
      if (is_same_record(truth, *next->record)) {
        note_taken(next->line);
        return next;
      }
      side_by_side_ = false;
      if (auto status = index_rest(*next); !status) return tl::unexpected(status.error());
    }
    return look_up(truth);
  }

  // Once all of the truth was looked for.
  Result<PairCounts> finish() {
    while (side_by_side_) {
      auto next = read_next();
      if (!next) return tl::unexpected(next.error());
      if (!next->record) break;
    }
    return PairCounts{seen_ - taken_, in_order_};
  }

 private:
  Predictions(std::filesystem::path path, JsonlFile file)
      : path_(std::move(path)), file_(std::move(file)) {}

  Result<Found> read_next() {
    auto line = file_.next();
    if (!line) return tl::unexpected(line.error());
    if (!*line) return Found{};
    position_ = (*line)->position;
    auto record = read_predicted_record((*line)->text);
    if (!record) return complain(path_, position_.number, record.error(), kAnnotationForm);
    ++seen_;
    return Found{std::move(*record), position_.number};
  }

  Status index_rest(Found first) {
    for (Found next = std::move(first); next.record;) {
      index_.add(*next.record, position_);
      auto following = read_next();
      if (!following) return tl::unexpected(following.error());
      next = std::move(*following);
    }
    index_.sort();
    return {};
  }

  // Each prediction is given away once. Of several the one with the shortest path: for a.jpg of the
  // truth that is images/a.jpg, and not images/more/a.jpg. Of equal ones the first.
  Result<Found> look_up(const TruthRecord& truth) {
    Found found;
    std::uint32_t chosen = 0;
    for (const std::uint32_t number : index_.candidates(truth)) {
      auto record = read_again(index_.position(number));
      if (!record) return tl::unexpected(record.error());
      if (!is_same_record(truth, *record)) continue;
      if (found.record && record->image_path.size() >= found.record->image_path.size()) continue;
      found = {std::move(*record), index_.position(number).number};
      chosen = number;
    }
    if (found.record) {
      index_.take(chosen);
      note_taken(found.line);
    }
    return found;
  }

  void note_taken(std::uint32_t line) {
    ++taken_;
    in_order_ = in_order_ && line > last_line_;
    last_line_ = line;
  }

  Result<PredictedRecord> read_again(const LinePosition& position) const {
    auto line = file_.read(position);
    if (!line) return tl::unexpected(line.error());
    auto record = read_predicted_record(*line);
    if (!record) return complain(path_, position.number, record.error(), kAnnotationForm);
    return record;
  }

  std::filesystem::path path_;
  JsonlFile file_;
  LinePosition position_;
  bool side_by_side_ = true;
  bool in_order_ = true;
  std::uint32_t last_line_ = 0;
  std::int64_t seen_ = 0, taken_ = 0;
  PredictionIndex index_;
};

}  // namespace

bool is_same_record(const TruthRecord& truth, const PredictedRecord& predicted) {
  const std::string& path = predicted.image_path;
  return truth.caption == predicted.caption &&
         (path == truth.image_path || path.ends_with("/" + truth.image_path));
}

Result<PairCounts> pair_records(const std::filesystem::path& annotations,
                                const std::filesystem::path& truth,
                                const std::function<void(const PairedRecord&)>& take) {
  auto predictions = Predictions::open(annotations);
  if (!predictions) return tl::unexpected(predictions.error());
  auto file = JsonlFile::open(truth);
  if (!file) return tl::unexpected(file.error());
  while (true) {
    auto line = file->next();
    if (!line) return tl::unexpected(line.error());
    if (!*line) return predictions->finish();
    PairedRecord pair;
    pair.truth_line = (*line)->position.number;
    auto record = read_truth_record((*line)->text);
    if (!record) return complain(truth, pair.truth_line, record.error(), kTruthForm);
    pair.truth = std::move(*record);
    auto found = predictions->find(pair.truth);
    if (!found) return tl::unexpected(found.error());
    pair.predicted = std::move(found->record);
    pair.predicted_line = found->line;
    take(pair);
  }
}

}  // namespace alig
