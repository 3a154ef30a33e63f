#include "auto_label_image_grounding/evaluation/evaluate.h"

#include <algorithm>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/text.h"
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
      add_failure(pair);
    }
    const PredictedRecord nothing;
    const RecordScore score = score_record(pair.truth, pair.predicted ? *pair.predicted : nothing);
    for (std::size_t i = 0; i < score.phrases.size(); ++i) add_phrase(i, score.phrases[i], pair);
    add_spans(score, pair);
    out_.unjudged_boxes += pair.truth.phrases ? score.unjudged_boxes : 0;
  }

  Evaluation finish(const PairCounts& counts) {
    out_.extra = counts.extra;
    out_.in_order = counts.in_order;
    if (!counts.in_order) note("the annotations are in another order than the truth");
    if (counts.extra > 0) note(count_of(counts.extra, "annotation") + " without truth");
    return std::move(out_);
  }

 private:
  void note(std::string problem) {
    constexpr std::size_t kShown = 20;
    if (out_.problems.size() < kShown) {
      out_.problems.push_back(std::move(problem));
    } else {
      ++out_.unlisted_problems;
    }
  }

  void add_failure(const PairedRecord& pair) {
    if (!pair.predicted->failure) return;
    ++out_.failed;
    constexpr std::size_t kReadable = 200;
    note(fmt::format("line {} of the annotations ({}): failed: {}", pair.predicted_line,
                     pair.truth.image_path, shorten(*pair.predicted->failure, kReadable)));
  }

  void add_phrase(std::size_t position, const PhraseScore& score, const PairedRecord& pair) {
    ++out_.phrases;
    out_.missed_phrases += score.expression ? 0 : 1;
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
    keep_if_bad(position, score, pair);
  }

  // The list stays sorted and short: of equal phrases the earlier one is kept.
  void keep_if_bad(std::size_t position, const PhraseScore& score, const PairedRecord& pair) {
    const double iou = score.mean_iou();
    if (iou >= 1 || most_worst_ == 0) return;
    std::vector<WorstPhrase>& worst = out_.worst;
    if (worst.size() == most_worst_) {
      if (iou >= worst.back().mean_iou) return;
      worst.pop_back();
    }
    const auto place = std::upper_bound(
        worst.begin(), worst.end(), iou,
        [](double value, const WorstPhrase& other) { return value < other.mean_iou; });
    WorstPhrase phrase{iou,
                       pair.truth_line,
                       pair.predicted_line,
                       pair.truth.image_path,
                       score.phrase,
                       (*pair.truth.phrases)[position].boxes,
                       {},
                       false};
    if (score.expression) {
      phrase.found = true;
      phrase.predicted_boxes = pair.predicted->expressions[*score.expression].boxes;
    }
    worst.insert(place, std::move(phrase));
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
double Evaluation::true_span_ratio() const {
  return ratio(static_cast<double>(spans - false_spans), spans);
}
double Evaluation::null_span_ratio() const {
  return ratio(static_cast<double>(null_spans), spans + null_spans);
}
double Evaluation::span_agreement() const {
  return ratio(static_cast<double>(agreeing_spans), compared_spans);
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
