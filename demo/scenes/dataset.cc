#include "dataset.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/files.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "image.h"
#include "scene.h"

namespace demo {
namespace {

using Json = nlohmann::ordered_json;

enum class Role { kPlain, kFirstCaption, kSecondCaption, kLeft, kRight };

struct Slot {
  int width, height;
  Format format;
  Role role;
};

// One round of records. The first kMinRecords hold what every set must have; kSecondCaption
// speaks of the image before it, kLeft and kRight are equal file names in two folders.
constexpr Slot kRound[] = {{640, 480, Format::kPng, Role::kPlain},
                           {500, 375, Format::kWebp, Role::kPlain},
                           {600, 800, Format::kRotatedJpeg, Role::kPlain},
                           {800, 600, Format::kJpeg, Role::kFirstCaption},
                           {800, 600, Format::kJpeg, Role::kSecondCaption},
                           {320, 240, Format::kJpeg, Role::kLeft},
                           {1200, 400, Format::kJpeg, Role::kRight},
                           {400, 1200, Format::kJpeg, Role::kPlain},
                           {2304, 1536, Format::kJpeg, Role::kPlain},
                           {480, 640, Format::kJpeg, Role::kPlain},
                           {1024, 768, Format::kJpeg, Role::kPlain},
                           {1280, 720, Format::kRotatedJpeg, Role::kPlain}};
constexpr Slot kExtremeRound[] = {{4800, 3600, Format::kJpeg, Role::kPlain},
                                  {5000, 1000, Format::kJpeg, Role::kPlain},
                                  {900, 4500, Format::kRotatedJpeg, Role::kPlain},
                                  {4240, 2832, Format::kRotatedJpeg, Role::kFirstCaption},
                                  {4240, 2832, Format::kRotatedJpeg, Role::kSecondCaption},
                                  {1999, 1501, Format::kWebp, Role::kPlain},
                                  {1001, 999, Format::kPng, Role::kPlain},
                                  {333, 777, Format::kPng, Role::kPlain},
                                  {400, 2000, Format::kPng, Role::kPlain},
                                  {640, 480, Format::kJpeg, Role::kPlain},
                                  {2049, 1537, Format::kJpeg, Role::kPlain},
                                  {1280, 720, Format::kRotatedJpeg, Role::kPlain}};
constexpr int kSlots = static_cast<int>(std::size(kRound));
static_assert(kMinRecords <= kSlots && std::size(kExtremeRound) == std::size(kRound));

struct Record {
  std::string image_path, image_id;
  cv::Size size;
  Caption caption;
  bool says_id = true, says_size = true;
};

std::string path_of(int index, const Slot& slot) {
  const int round = index / kSlots;
  if (slot.role == Role::kLeft) return fmt::format("images/left/pair_{:04}.jpg", round);
  if (slot.role == Role::kRight) return fmt::format("images/right/pair_{:04}.jpg", round);
  const int number = slot.role == Role::kSecondCaption ? index - 1 : index;
  return fmt::format("images/scene_{:04}{}", number, extension(slot.format));
}

// Later rounds vary the sizes, larger only: the table's sizes are the least.
cv::Size size_of(int index, const Slot& slot, Random& random) {
  if (index < kSlots) return {slot.width, slot.height};
  const int percent = random.between(100, 110);
  return {slot.width * percent / 100, slot.height * percent / 100};
}

// The second caption leaves a group out, and names the others in the opposite order.
std::vector<Group> other_view(std::vector<Group> groups) {
  std::reverse(groups.begin(), groups.end());
  const bool sized = std::any_of(groups.begin(), groups.end(),
                                 [](const Group& g) { return g.size != Size::kPlain; });
  // "Small" and "large" are true beside each other: such a pair is not torn apart.
  if (!sized && groups.size() > 2) groups.pop_back();
  return groups;
}

std::string caption_line(const Record& record, int index) {
  Json line;
  line["image_path"] = record.image_path;
  if (record.says_id) line["image_id"] = record.image_id;
  line["caption"] = record.caption.text;
  if (record.says_size) {
    line["width"] = record.size.width;
    line["height"] = record.size.height;
  }
  line["source"] = "demo-scenes";
  if (index % 3 != 0) return alig::json_text(line) + "\n";
  // Fields that matter only to their owner; the spelling of the number must survive.
  std::string text = alig::json_text(line);
  text.pop_back();
  return text + R"(,"weight":1.50,"tags":["shapes",null]})" + "\n";
}

std::string truth_line(const Record& record) {
  Json line;
  line["image_path"] = record.image_path;
  line["image_id"] = record.image_id;
  line["caption"] = record.caption.text;
  line["width"] = record.size.width;
  line["height"] = record.size.height;
  line["gt"] = Json::array();
  for (const Mention& mention : record.caption.mentions) {
    Json boxes = Json::array();
    for (const cv::Rect& box : mention.boxes) {
      boxes.push_back({box.x, box.y, box.x + box.width, box.y + box.height});
    }
    line["gt"].push_back({{"phrase", mention.text},
                          {"boxes", std::move(boxes)},
                          {"span", {mention.begin, mention.end}}});
  }
  return alig::json_text(line) + "\n";
}

Record make_record(int index, const Slot& slot, const Scene& scene, Random& random) {
  Record record;
  record.image_path = path_of(index, slot);
  record.image_id = std::filesystem::path(record.image_path).stem().string();
  record.size = scene.image.size();
  const bool second = slot.role == Role::kSecondCaption;
  const std::string prefix = index % kSlots == 10 ? "Décor naïf: " : "";
  record.caption = describe(second ? other_view(scene.groups) : scene.groups, prefix, random);
  record.says_id = slot.role != Role::kLeft && slot.role != Role::kRight;
  record.says_size = slot.format == Format::kRotatedJpeg || index % 4 != 1;
  return record;
}

void check(const alig::Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

}  // namespace

void write_dataset(const std::filesystem::path& folder, int records, std::uint32_t seed,
                   Sizes sizes) {
  for (const char* images : {"images/left", "images/right"}) {
    check(alig::make_directories(folder / images));
  }
  Random random(seed);
  Scene scene;
  std::string captions, truth;
  for (int index = 0; index < records; ++index) {
    const Slot& slot = (sizes == Sizes::kExtreme ? kExtremeRound : kRound)[index % kSlots];
    if (slot.role != Role::kSecondCaption) scene = make_scene(size_of(index, slot, random), random);
    const Record record = make_record(index, slot, scene, random);
    if (slot.role != Role::kSecondCaption) {
      write_image(folder / record.image_path, scene.image, slot.format);
    }
    captions += caption_line(record, index);
    truth += truth_line(record);
  }
  check(alig::write_file_atomically(folder / "captions.jsonl", captions));
  check(alig::write_file_atomically(folder / "truth.jsonl", truth));
}

}  // namespace demo
