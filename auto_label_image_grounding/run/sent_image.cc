#include "auto_label_image_grounding/run/sent_image.h"

#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "auto_label_image_grounding/data/image_codec.h"
#include "auto_label_image_grounding/vlm/token_estimate.h"

namespace alig {
namespace {

// https://ai.google.dev/gemini-api/docs/image-understanding names PNG, JPEG, WebP (and HEIC);
// OpenAI-compatible servers take GIF too.
std::set<ImageFormat> accepted_formats(Backend backend) {
  std::set<ImageFormat> formats = {ImageFormat::kJpeg, ImageFormat::kPng, ImageFormat::kWebp};
  if (backend == Backend::kOpenAi) formats.insert(ImageFormat::kGif);
  return formats;
}

// Encoded bytes before base64 (which adds a third), below the smaller of the inline limits:
// 20 MB for a whole Gemini request.
constexpr std::uint64_t kMaxInlineBytes = 14'000'000;

// RFC 8089, percent-encoded as RFC 3986 asks. ".." stays: what it means depends on links.
std::string file_url(const std::string& path) {
  std::string url = "file://";
  for (const char c : std::filesystem::absolute(path).string()) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    url += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return url;
}

}  // namespace

Result<SentImage> make_sent_image(const std::string& path, const ImageInfo& info, const VlmSpec& spec,
                             const CoordinateChoice& choice, const std::set<std::string>& refused) {
  SentImage image;
  image.upright = {info.width, info.height};
  const ImageSize wanted = size_to_send(image.upright, choice, spec.max_image_side);
  const bool by_url =
      spec.backend == Backend::kOpenAi && spec.openai.image_transport == ImageTransport::kFileUrl;
  ImagePreparation preparation;
  preparation.accepted = accepted_formats(spec.backend);
  std::erase_if(preparation.accepted,
                [&](ImageFormat format) { return refused.contains(mime_type(format)); });
  preparation.max_bytes = by_url ? 0 : kMaxInlineBytes;
  if (wanted != image.upright) preparation.size = ImageSize{wanted.width, wanted.height};

  auto prepared = prepare_image(path, info, preparation);
  if (!prepared) return tl::unexpected(prepared.error());
  VlmImage image;
  image.mime_type = mime_type(prepared->format);
  if (prepared->original) {
    image.bytes = Base64File{path, info.file_size};
    if (by_url) image.file_url = file_url(path);
    image.seen = image.upright;
  } else {
    image.bytes = Base64Bytes{prepared->bytes};
    // What the limit for inline images made smaller may have left the family's grid.
    image.seen = size_to_send({prepared->size.width, prepared->size.height}, choice, 0);
  }
  image.tokens = estimate_image_tokens(*choice.family, image.seen);
  image.downscaled_for_limit = prepared->downscaled_for_limit;
  image.content = std::move(image);
  return image;
}

SentImage text_only_image(const std::optional<ImageSize>& declared) {
  constexpr ImageSize kStockSize{1920, 1080};
  SentImage image;
  image.upright = image.seen = declared.value_or(kStockSize);
  return image;
}

}  // namespace alig
