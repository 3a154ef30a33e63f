#include "auto_label_image_grounding/image/image_change.h"

namespace alig {

ChangeImage find_change_image() { return &change_image; }

}  // namespace alig
