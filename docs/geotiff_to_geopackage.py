"""A GeoTIFF into a GeoPackage of land-cover polygons, as in a notebook: python docs/geotiff_to_geopackage.py, in the project's folder."""

from core import find_model, open_scene, predict, vectorize, write_product

scene = open_scene("sample_data/town/images/town_whole.tif")
model = find_model("sample-town")
predict(model, scene, "town/prediction")
result = vectorize("town/prediction", min_area="10m2", centre_lines=True)
write_product(result.layer, "town/polygons.gpkg", scene=scene, lines=result.lines)
write_product(result.layer, "town/polygons.report.html", scene=scene, card=model.card, lines=result.lines)
print(result.layer.frame.groupby("class_name")["area_m2"].agg(["count", "sum"]))
