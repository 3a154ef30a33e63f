#include "auto_label_image_grounding/image/gif_frame.h"

#include <gif_lib.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace alig {
namespace {

struct CloseGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using GifPtr = std::unique_ptr<GifFileType, CloseGif>;

int read_from_view(GifFileType* gif, GifByteType* out, int wanted) {
  auto& rest = *static_cast<std::string_view*>(gif->UserData);
  const std::size_t count = std::min(static_cast<std::size_t>(std::max(wanted, 0)), rest.size());
  std::memcpy(out, rest.data(), count);
  rest.remove_prefix(count);
  return static_cast<int>(count);
}

// Reads one extension; its transparent palette index, where it has one, goes to `transparent`.
bool read_extension(GifFileType* gif, int& transparent) {
  int code = 0;
  GifByteType* block = nullptr;  // a length byte, then the bytes; owned by `gif`
  if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) return false;
  while (block != nullptr) {
    GraphicsControlBlock control{};
    if (code == GRAPHICS_EXT_FUNC_CODE &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
      transparent = control.TransparentColor;
    }
    if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return false;
  }
  return true;
}

// Moves on to the first image descriptor and reads it.
bool find_image(GifFileType* gif, int& transparent) {
  GifRecordType kind = UNDEFINED_RECORD_TYPE;
  while (DGifGetRecordType(gif, &kind) == GIF_OK) {
    if (kind == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(gif) == GIF_OK;
    if (kind != EXTENSION_RECORD_TYPE || !read_extension(gif, transparent)) return false;
  }
  return false;
}

// Rows of an interlaced image come in four passes (GIF89a, appendix E).
std::vector<int> row_order(const GifImageDesc& image) {
  std::vector<int> out;
  const bool interlaced = image.Interlace;
  constexpr int kStarts[] = {0, 4, 2, 1};
  constexpr int kSteps[] = {8, 8, 4, 2};
  for (int pass = 0; pass < (interlaced ? 4 : 1); ++pass) {
    const int step = interlaced ? kSteps[pass] : 1;
    for (int row = kStarts[pass]; row < image.Height; row += step) out.push_back(row);
  }
  return out;
}

void paint_row(const std::vector<GifPixelType>& indices, const ColorMapObject& colours,
               int transparent, int left, int y, GifFrame& out) {
  if (y >= out.height) return;
  for (int i = 0; i < static_cast<int>(indices.size()) && left + i < out.width; ++i) {
    const int index = indices[static_cast<std::size_t>(i)];
    if (index == transparent || index >= colours.ColorCount) continue;
    const GifColorType& colour = colours.Colors[index];
    const auto at = (static_cast<std::size_t>(y) * out.width + left + i) * 4;
    out.rgba[at] = colour.Red;
    out.rgba[at + 1] = colour.Green;
    out.rgba[at + 2] = colour.Blue;
    out.rgba[at + 3] = 255;
  }
}

}  // namespace

tl::expected<GifFrame, std::string> decode_first_gif_frame(std::string_view gif_bytes) {
  const auto damaged = [] { return tl::unexpected<std::string>("its first image is damaged"); };
  const GifPtr gif(DGifOpen(&gif_bytes, read_from_view, nullptr));
  int transparent = NO_TRANSPARENT_COLOR;
  if (!gif || !find_image(gif.get(), transparent)) return damaged();
  const GifImageDesc& image = gif->Image;
  const ColorMapObject* colours = image.ColorMap != nullptr ? image.ColorMap : gif->SColorMap;
  if (colours == nullptr) return tl::unexpected<std::string>("it has no colour table");

  GifFrame out{gif->SWidth, gif->SHeight, {}};
  out.rgba.resize(static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.height) * 4);
  std::vector<GifPixelType> indices(static_cast<std::size_t>(image.Width));
  for (const int row : row_order(image)) {
    if (DGifGetLine(gif.get(), indices.data(), image.Width) == GIF_ERROR) return damaged();
    paint_row(indices, *colours, transparent, image.Left, image.Top + row, out);
  }
  return out;
}

}  // namespace alig
