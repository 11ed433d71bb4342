"""Where a face is: templates, similarity transforms, and sampling between picture and crop.

The convention, for the whole package:

* A point is (x, y) in pixels, x to the right, y down; the *centre* of the top left pixel is (0, 0),
  so a picture of width W reaches from -0.5 to W - 0.5.
* A matrix is (2, 3), float64, and is named for its direction: `image_to_crop` takes a point of the
  picture to the point of the crop that shows the same thing.
* Resizing a picture by u moves a point x to u * x + (u - 1) / 2, as pixels keep their edges.
* Beyond the picture's border a crop shows the picture's outermost pixels (replicated); a paste
  never reaches beyond it.
"""
