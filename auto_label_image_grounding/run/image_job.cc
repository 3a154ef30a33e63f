#include "auto_label_image_grounding/run/image_job.h"

#include <algorithm>
#include <utility>

#include "auto_label_image_grounding/data/phrase.h"
#include "auto_label_image_grounding/data/sample_name.h"

namespace alig {
namespace {

Result<ImageInfo> read_header(const RunContext& context, const std::string& path) {
  return read_image_info(path, {context.plan.spec.data.max_image_pixels});
}

Result<SentImage> make_image(const RunContext& context, const std::string& path,
                             const ImageInfo& info, const ImageWishes& wishes = {}) {
  const RunPlan& plan = context.plan;
  return make_sent_image(path, info, plan.backend().image_rules(), plan.spec.vlm.max_image_side,
                         plan.coordinates, wishes);
}

// Whether the image can be sent. Found out by trying only where a guess takes its place.
bool is_usable(const RunContext& context, const LoadedImage& loaded) {
  if (!loaded.info) return false;
  const bool guessed = std::any_of(
      loaded.records.begin(), loaded.records.end(),
      [](const RecordJob& record) { return record.grounding && record.grounding->text_only; });
  return !guessed || make_image(context, loaded.image_path, *loaded.info);
}

void count_image_facts(const RecordJob& record, const ImageInfo& info, RunCounts& counts) {
  const auto& declared = record.sample.declared_size;
  if (declared && *declared != ImageSize{info.width, info.height}) ++counts.size_mismatches;
  if (!record.grounding || record.grounding->text_only) return;
  // Of the same size in pixels, so that its boxes are kept: but are they those of this image?
  const std::uint64_t bytes = record.grounding->image_bytes;
  if (bytes > 0 && bytes != info.file_size) ++counts.replaced_images;
}

struct OpenedImage {
  std::optional<SentImage> image;
  std::optional<Error> error;  // the records fail over it
};

OpenedImage open_image(const RunContext& context, const LoadedImage& loaded, bool requested,
                       RunCounts& counts) {
  OpenedImage out;
  if (loaded.info && !requested) return out;
  auto image = loaded.info ? make_image(context, loaded.image_path, *loaded.info)
                           : Result<SentImage>(tl::unexpected(loaded.info.error()));
  if (image) {
    counts.images_downscaled += image->downscaled_for_limit ? 1 : 0;
    out.image = std::move(*image);
  } else if (!context.rules().guesses) {
    out.error = image.error();
  }
  return out;
}

// The records that are not done with, in their order, and what each needs.
using OpenNeeds = std::vector<std::pair<RecordJob*, Need>>;

Result<OpenNeeds> open_needs(const RunContext& context, LoadedImage& loaded, RunCounts& counts) {
  const bool usable = is_usable(context, loaded);
  OpenNeeds out;
  for (RecordJob& record : loaded.records) {
    if (record.earlier_error) continue;
    auto need = check_results(context, record, image_state(record, loaded.info, usable), counts);
    if (!need) return tl::unexpected(need.error());
    if (loaded.info) count_image_facts(record, *loaded.info, counts);
    if (need->action != Action::kNone) out.emplace_back(&record, *need);
  }
  return out;
}

bool needs_request(const RunContext& context, const RecordJob& record) {
  return !requests_ahead(facts_of(record, context), context.rules()).empty();
}

// The image is opened only where a record is not done with: the others do not mind its state.
Status settle_records(const RunContext& context, const LoadedImage& loaded, const OpenNeeds& needs,
                      ImageJob& job, RunCounts& counts) {
  if (needs.empty()) return {};
  const bool requested = std::any_of(needs.begin(), needs.end(), [&](const auto& open) {
    return needs_request(context, *open.first);
  });
  OpenedImage opened = open_image(context, loaded, requested, counts);
  for (const auto& [record, need] : needs) {
    if (opened.error) {
      record->error = image_error(need.step, *opened.error);
      continue;
    }
    const bool usable = opened.image.has_value();
    if (!usable && needs_request(context, *record)) ++counts.text_only;
    auto settled =
        settle_record(context, *record, image_state(*record, loaded.info, usable), counts);
    if (!settled) return tl::unexpected(settled.error());
  }
  // Without a header the sizes are the records' own: see split_by_size().
  if (!opened.error && !opened.image && loaded.info) {
    opened.image = text_only_image(ImageSize{loaded.info->width, loaded.info->height});
  }
  job.image = std::move(opened.image);
  return {};
}

Result<std::shared_ptr<ImageJob>> prepare_job(const RunContext& context, LoadedImage loaded,
                                              RunCounts& counts) {
  auto job = std::make_shared<ImageJob>();
  job->image_path = loaded.image_path;
  if (loaded.info) job->file_size = loaded.info->file_size;
  auto needs = open_needs(context, loaded, counts);
  if (!needs) return tl::unexpected(needs.error());
  auto status = settle_records(context, loaded, *needs, *job, counts);
  if (!status) return tl::unexpected(status.error());
  job->records = std::move(loaded.records);
  return job;
}

// The records of an image that cannot be read may state different sizes: boxes are asked for, and
// read, in each record's own.
std::vector<std::shared_ptr<ImageJob>> split_by_size(const RunContext& context,
                                                     std::shared_ptr<ImageJob> job) {
  const bool done =
      std::none_of(job->records.begin(), job->records.end(),
                   [&](const RecordJob& record) { return needs_request(context, record); });
  if (job->image || done) return {std::move(job)};
  std::map<std::pair<int, int>, std::shared_ptr<ImageJob>> by_size;
  for (RecordJob& record : job->records) {
    const SentImage image = text_only_image(record.sample.declared_size);
    std::shared_ptr<ImageJob>& part = by_size[{image.upright.width, image.upright.height}];
    if (!part) {
      part = std::make_shared<ImageJob>();
      part->image_path = job->image_path;
      part->image = image;
    }
    part->records.push_back(std::move(record));
  }
  std::vector<std::shared_ptr<ImageJob>> parts;
  for (auto& [size, part] : by_size) parts.push_back(std::move(part));
  return parts;
}

bool has_all(const std::map<std::string, std::vector<Instance>>& found,
             const std::vector<std::string>& texts) {
  return std::all_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return found.contains(grouping_key(text)); });
}

}  // namespace

ImageState image_state(const RecordJob& record, const Result<ImageInfo>& info, bool usable) {
  if (info) return {{info->width, info->height}, true, usable};
  return {text_only_image(record.sample.declared_size).upright, false, false};
}

ImageState image_state(const ImageJob& job) {
  return {job.image->upright, job.file_size > 0, job.image->content.has_value()};
}

RecordError image_error(Step step, const Error& error) {
  return {step, "image", error.message, 0, 0};
}

Result<std::vector<LoadedImage>> load_group(const RunContext& context, std::size_t group,
                                            RunCounts& counts) {
  std::map<std::string, std::vector<RecordJob>> by_path;  // as lexical_path() spells it
  for (const std::uint32_t index : context.plan.dataset.group(group)) {
    auto record = load_record(context, index, counts);
    if (!record) return tl::unexpected(record.error());
    std::vector<RecordJob>& of_image = by_path[lexical_path(record->sample.image_path)];
    of_image.push_back(std::move(*record));
  }
  std::vector<LoadedImage> out;
  for (auto& [key, records] : by_path) {
    std::string path = records.front().sample.image_path;
    Result<ImageInfo> info = read_header(context, path);
    out.push_back({std::move(path), std::move(records), std::move(info)});
  }
  return out;
}

Result<std::vector<std::shared_ptr<ImageJob>>> load_jobs(const RunContext& context,
                                                         std::size_t group, RunCounts& counts) {
  auto images = load_group(context, group, counts);
  if (!images) return tl::unexpected(images.error());
  std::vector<std::shared_ptr<ImageJob>> out;
  for (LoadedImage& image : *images) {
    auto job = prepare_job(context, std::move(image), counts);
    if (!job) return tl::unexpected(job.error());
    for (auto& part : split_by_size(context, std::move(*job))) out.push_back(std::move(part));
  }
  return out;
}

Result<SentImage> remake_image(const RunContext& context, const ImageJob& job,
                               const ImageWishes& wishes) {
  Result<ImageInfo> info = read_header(context, job.image_path);
  if (!info) return tl::unexpected(info.error());
  return make_image(context, job.image_path, *info, wishes);
}

std::vector<std::size_t> take_answers(const RunContext& context, ImageJob& job) {
  std::vector<std::size_t> complete;
  for (std::size_t i = 0; i < job.records.size(); ++i) {
    RecordJob& record = job.records[i];
    const StepSet ahead = requests_ahead(facts_of(record, context), context.rules());
    if (!ahead.contains(Step::kGrounding)) continue;
    const auto failed =
        std::find_if(record.texts.begin(), record.texts.end(),
                     [&](const auto& text) { return job.failed.contains(grouping_key(text)); });
    if (failed != record.texts.end()) {
      record.error = job.failed.at(grouping_key(*failed));
    } else if (has_all(job.found, record.texts)) {
      record.grounding = GroundingResult{{}, job.image->upright, job.file_size};
      record.grounding->text_only = !job.image->content;
      for (const std::string& text : record.texts) {
        record.grounding->instances.push_back(job.found.at(grouping_key(text)));
      }
      complete.push_back(i);
    }
  }
  return complete;
}

Status save_groundings(const RunContext& context, const ImageJob& job,
                       const std::vector<std::size_t>& records) {
  for (const std::size_t i : records) {
    auto status = save_result(context, job.records[i], Step::kGrounding);
    if (!status) return status;
  }
  return {};
}

}  // namespace alig
