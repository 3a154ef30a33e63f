#include "auto_label_image_grounding/evaluation/record_pairs.h"

#include <utility>

#include <fmt/format.h>

namespace alig {
namespace {

// Says where a record that cannot be read stands, and what was expected there.
tl::unexpected<Error> complain(const std::filesystem::path& path, std::uint32_t line,
                               const Error& error, const char* expected) {
  return fail(error.kind,
              fmt::format("{}:{}: {} (expected {})", path.string(), line, error.message, expected));
}

constexpr const char* kTruthForm =
    R"(a line of truth: {"image_path", "caption", "gt": [{"phrase", "boxes": [[x1,y1,x2,y2]]}]})";
constexpr const char* kAnnotationForm = "a line of annotations.jsonl of step 1";

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::size_t key_of(const std::string& path, const std::string& caption) {
  return std::hash<std::string>()(file_name(path) + '\n' + caption);
}

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
    if (in_order_) {
      auto next = read_next();
      if (!next) return tl::unexpected(next.error());
      if (!next->record) return Found{};
      if (is_same_record(truth, *next->record)) {
        ++taken_;
        return next;
      }
      in_order_ = false;
      if (auto status = index_rest(*next); !status) return tl::unexpected(status.error());
    }
    return look_up(truth);
  }

  // Once all of the truth was looked for.
  Result<PairCounts> finish() {
    while (in_order_) {
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
      index_.emplace(key_of(next.record->image_path, next.record->caption), position_);
      auto following = read_next();
      if (!following) return tl::unexpected(following.error());
      next = std::move(*following);
    }
    return {};
  }

  // Each prediction is given away once; of equal ones the first.
  Result<Found> look_up(const TruthRecord& truth) {
    auto [begin, end] = index_.equal_range(key_of(truth.image_path, truth.caption));
    auto best = index_.end();
    Found found;
    for (auto at = begin; at != end; ++at) {
      if (found.record && at->second.number > found.line) continue;
      auto line = file_.read(at->second);
      if (!line) return tl::unexpected(line.error());
      auto record = read_predicted_record(*line);
      if (!record) return complain(path_, at->second.number, record.error(), kAnnotationForm);
      if (!is_same_record(truth, *record)) continue;
      found = {std::move(*record), at->second.number};
      best = at;
    }
    if (best != index_.end()) {
      index_.erase(best);
      ++taken_;
    }
    return found;
  }

  std::filesystem::path path_;
  JsonlFile file_;
  LinePosition position_;
  bool in_order_ = true;
  std::int64_t seen_ = 0, taken_ = 0;
  std::unordered_multimap<std::size_t, LinePosition> index_;
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
