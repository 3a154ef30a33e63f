#include "auto_label_image_grounding/run/sent_image.h"

#include <algorithm>
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

// Of two limits, of which 0 is none.
std::uint64_t smaller_limit(std::uint64_t a, std::uint64_t b) {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

}  // namespace

Result<SentImage> make_sent_image(const std::string& path, const ImageInfo& info,
                                  const ImageRules& rules, int max_side,
                                  const CoordinateChoice& choice, const ImageWishes& wishes) {
  SentImage out;
  out.upright = {info.width, info.height};
  ImagePreparation preparation;
  preparation.accepted = rules.accepted;
  if (!wishes.refused_as.empty()) {
    preparation.accepted = {ImageFormat::kJpeg, ImageFormat::kPng};
    preparation.encode_again = true;
  }
  std::erase_if(preparation.accepted, [&](ImageFormat format) {
    return wishes.refused_types.contains(mime_type(format));
  });
  preparation.max_bytes = smaller_limit(rules.max_inline_bytes, wishes.max_bytes);
  const ImageSize wanted = size_to_send(out.upright, choice, max_side);
  if (wanted != out.upright) preparation.size = wanted;

  auto prepared = prepare_image(path, info, preparation);
  if (!prepared) return tl::unexpected(prepared.error());
  VlmImage content;
  content.mime_type = mime_type(prepared->format);
  if (prepared->original) {
    content.bytes = Base64File{path, info.file_size};
    content.encoded_bytes = info.file_size;
    if (rules.by_file_url) content.file_url = file_url(path);
    out.seen = out.upright;
  } else {
    content.bytes = Base64Bytes{prepared->bytes};
    content.encoded_bytes = prepared->bytes->size();
    // What the limit for inline images made smaller may have left the family's grid.
    out.seen = size_to_send(prepared->size, choice, 0);
  }
  content.converted_from = wishes.refused_as;
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
