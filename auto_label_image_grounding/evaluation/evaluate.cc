#include "auto_label_image_grounding/evaluation/evaluate.h"

#include <algorithm>

#include <fmt/format.h>

#include "auto_label_image_grounding/evaluation/record_pairs.h"

namespace alig {
namespace {

double ratio(double part, std::int64_t whole) {
  return whole > 0 ? part / static_cast<double>(whole) : 0;
}

class Evaluator {
 public:
  explicit Evaluator(std::size_t worst) : most_worst_(worst) {}

  void take(const PairedRecord& pair) {
    ++out_.records;
    out_.without_truth += pair.truth.phrases ? 0 : 1;
    if (!pair.predicted) {
      ++out_.missing;
      note(fmt::format("line {} of the truth ({}): no annotation", pair.truth_line,
                       pair.truth.image_path));
    } else {
      out_.failed += pair.predicted->failed ? 1 : 0;
    }
    const RecordScore score = score_record(pair.truth, pair.predicted.value_or(PredictedRecord()));
    for (const PhraseScore& phrase : score.phrases) add_phrase(phrase, pair);
    add_spans(score, pair);
    out_.unjudged_boxes += pair.truth.phrases ? score.unjudged_boxes : 0;
  }

  Evaluation finish(const PairCounts& counts) {
    out_.extra = counts.extra;
    out_.in_order = counts.in_order;
    if (!counts.in_order) note("the annotations are in another order than the truth");
    if (counts.extra > 0) note(fmt::format("{} annotations have no truth", counts.extra));
    return std::move(out_);
  }

 private:
  void note(std::string problem) {
    constexpr std::size_t kShown = 20;
    if (out_.problems.size() < kShown) out_.problems.push_back(std::move(problem));
  }

  void add_phrase(const PhraseScore& score, const PairedRecord& pair) {
    ++out_.phrases;
    out_.missed_phrases += score.found ? 0 : 1;
    out_.truth_boxes += score.truth_boxes;
    out_.predicted_boxes += score.predicted_boxes;
    for (std::size_t i = 0; i < kIouThresholds.size(); ++i) {
      out_.matched_at[i] += score.matched_at[i];
    }
    out_.matched += score.matched;
    out_.sum_iou += score.sum_iou;
    out_.pointings += score.points_at_it ? 1 : 0;
    out_.good_pointings += score.points_at_it.value_or(false) ? 1 : 0;
    out_.compared_spans += score.span_agrees ? 1 : 0;
    out_.agreeing_spans += score.span_agrees.value_or(false) ? 1 : 0;
    keep_if_bad({score.mean_iou(), pair.truth_line, pair.predicted_line, pair.truth.image_path,
                 score.phrase, score.truth_boxes, score.predicted_boxes, score.found});
  }

  // The list stays sorted and short: of equal phrases the earlier one is kept.
  void keep_if_bad(WorstPhrase phrase) {
    if (phrase.mean_iou >= 1) return;
    const auto place = std::upper_bound(
        out_.worst.begin(), out_.worst.end(), phrase,
        [](const WorstPhrase& a, const WorstPhrase& b) { return a.mean_iou < b.mean_iou; });
    out_.worst.insert(place, std::move(phrase));
    if (out_.worst.size() > most_worst_) out_.worst.pop_back();
  }

  void add_spans(const RecordScore& score, const PairedRecord& pair) {
    out_.spans += score.spans;
    out_.null_spans += score.null_spans;
    out_.false_spans += static_cast<std::int64_t>(score.false_spans.size());
    for (const std::string& text : score.false_spans) {
      note(fmt::format("line {} of the annotations ({}): {}", pair.predicted_line,
                       pair.truth.image_path, text));
    }
  }

  std::size_t most_worst_;
  Evaluation out_;
};

}  // namespace

double Evaluation::recall_at(std::size_t threshold) const {
  return ratio(static_cast<double>(matched_at.at(threshold)), truth_boxes);
}
double Evaluation::precision_at(std::size_t threshold) const {
  return ratio(static_cast<double>(matched_at.at(threshold)), predicted_boxes);
}
double Evaluation::mean_iou() const { return ratio(sum_iou, truth_boxes); }
double Evaluation::mean_matched_iou() const { return ratio(sum_iou, matched); }
double Evaluation::pointing_accuracy() const {
  return ratio(static_cast<double>(good_pointings), pointings);
}
bool Evaluation::has_problems() const {
  return missing > 0 || extra > 0 || !in_order || false_spans > 0;
}

Result<Evaluation> evaluate(const std::filesystem::path& annotations,
                            const std::filesystem::path& truth, std::size_t worst) {
  Evaluator evaluator(worst);
  auto counts =
      pair_records(annotations, truth, [&](const PairedRecord& pair) { evaluator.take(pair); });
  if (!counts) return tl::unexpected(counts.error());
  return evaluator.finish(*counts);
}

}  // namespace alig
