#include "auto_label_image_grounding/run/sent_image.h"

#include <filesystem>
#include <utility>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/image/image_codec.h"
#include "auto_label_image_grounding/vlm/token_estimate.h"

namespace alig {
namespace {

// RFC 8089, percent-encoded as RFC 3986 asks. ".." stays: what it means depends on links.
std::string file_url(const std::string& path) {
  return "file://" + percent_encode(std::filesystem::absolute(path).string(), "/");
}

}  // namespace

Result<SentImage> make_sent_image(const std::string& path, const ImageInfo& info,
                                  const ImageRules& rules, int max_side,
                                  const CoordinateChoice& choice,
                                  const std::set<std::string>& refused) {
  SentImage out;
  out.upright = {info.width, info.height};
  ImagePreparation preparation;
  preparation.accepted = rules.accepted;
  std::erase_if(preparation.accepted,
                [&](ImageFormat format) { return refused.contains(mime_type(format)); });
  preparation.max_bytes = rules.max_inline_bytes;
  const ImageSize wanted = size_to_send(out.upright, choice, max_side);
  if (wanted != out.upright) preparation.size = wanted;

  auto prepared = prepare_image(path, info, preparation);
  if (!prepared) return tl::unexpected(prepared.error());
  VlmImage content;
  content.mime_type = mime_type(prepared->format);
  if (prepared->original) {
    content.bytes = Base64File{path, info.file_size};
    if (rules.by_file_url) content.file_url = file_url(path);
    out.seen = out.upright;
  } else {
    content.bytes = Base64Bytes{prepared->bytes};
    // What the limit for inline images made smaller may have left the family's grid.
    out.seen = size_to_send(prepared->size, choice, 0);
  }
  content.tokens = estimate_image_tokens(*choice.family, out.seen);
  out.downscaled_for_limit = prepared->downscaled_for_limit;
  out.content = std::move(content);
  return out;
}

SentImage text_only_image(const std::optional<ImageSize>& declared) {
  constexpr ImageSize kStockSize{1920, 1080};
  SentImage image;
  image.upright = image.seen = declared.value_or(kStockSize);
  return image;
}

}  // namespace alig
